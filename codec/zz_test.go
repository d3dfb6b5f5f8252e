package codec
import "testing"
func bz[T any](b *testing.B, v T) {
	c := must[T](b)
	buf := make([]byte, 0, 64)
	for b.Loop() { buf, _ = c.Append(buf[:0], &v) }
}
func BenchmarkZInt1(b *testing.B) { bz(b, 1) }
func BenchmarkZInt3(b *testing.B) { bz(b, 12345) }
func BenchmarkZStr(b *testing.B) { bz(b, "hello") }
func BenchmarkZPair1(b *testing.B) { bz(b, pair[string,int]{"hello", 1}) }
func BenchmarkZPair3(b *testing.B) { bz(b, pair[string,int]{"hello", 12345}) }
func BenchmarkZNone(b *testing.B) { bz(b, empty{}) }
func BenchmarkZFour(b *testing.B) { bz(b, [2]pair[string,int]{{"hello", 1},{"hello",1}}) }
