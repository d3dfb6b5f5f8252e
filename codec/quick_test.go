package codec
import "testing"
type qp struct{ Key string; Value int }
func BenchmarkQ(b *testing.B) {
	c, err := For[qp](); if err != nil { b.Fatal(err) }
	v := qp{"hello", 12345}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() { buf, _ = c.Append(buf[:0], &v) }
}
func BenchmarkQSmall(b *testing.B) {
	c, err := For[qp](); if err != nil { b.Fatal(err) }
	v := qp{"hello", 1}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() { buf, _ = c.Append(buf[:0], &v) }
}
func BenchmarkQDecode(b *testing.B) {
	c, err := For[qp](); if err != nil { b.Fatal(err) }
	v := qp{"hello", 12345}
	buf, _ := c.Append(nil, &v)
	b.ReportAllocs()
	for b.Loop() { v, _, _ = c.DecodeAlias(buf) }
}
func BenchmarkQHash(b *testing.B) {
	c, err := ForKey[string](); if err != nil { b.Fatal(err) }
	b.ReportAllocs()
	s := "hello wor"
	for b.Loop() { c.Hash(1, s) }
}
func BenchmarkQHashStruct(b *testing.B) {
	c, err := ForKey[qp](); if err != nil { b.Fatal(err) }
	b.ReportAllocs()
	s := qp{"hello wor", 100}
	for b.Loop() { c.Hash(1, s) }
}
func BenchmarkQHashInt(b *testing.B) {
	c, err := ForKey[int](); if err != nil { b.Fatal(err) }
	b.ReportAllocs()
	for b.Loop() { c.Hash(1, 12) }
}
