package codec

import (
	"testing"
	"time"
)

type count = pair[string, int]

var hello = count{"hello", 12345}

func BenchmarkAppendPair(b *testing.B) {
	c := must[count](b)
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = c.Append(buf[:0], &hello)
	}
}

func BenchmarkDecodePair(b *testing.B) {
	c := must[count](b)
	buf, _ := c.Append(nil, &hello)
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = c.DecodeAlias(buf)
	}
}

func BenchmarkClonePair(b *testing.B) {
	c := must[count](b)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Clone(hello)
	}
}

func BenchmarkSizePair(b *testing.B) {
	c := must[count](b)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Size(&hello)
	}
}

func BenchmarkAppendOrder(b *testing.B) {
	c := must[order](b)
	v := order{ID: 1, Items: []item{{"a", 1, 2}, {"b", 2, 3}}, Raw: []byte("raw"), At: time.Unix(1, 2).UTC()}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = c.Append(buf[:0], &v)
	}
}

func BenchmarkAppendMap(b *testing.B) {
	c := must[map[string]int](b)
	v := map[string]int{"a": 1, "b": 2, "c": 3, "d": 4}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = c.Append(buf[:0], &v)
	}
}

func BenchmarkHash(b *testing.B) {
	b.Run("string", func(b *testing.B) { benchHash(b, "hello wor") })
	b.Run("int", func(b *testing.B) { benchHash(b, 12345) })
	b.Run("struct", func(b *testing.B) { benchHash(b, hello) })
}

func benchHash[K comparable](b *testing.B, key K) {
	k, err := ForKey[K]()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = k.Hash(1, key)
	}
}
