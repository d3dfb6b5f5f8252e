package block

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// Records come back as they were written, compressible or not; damage of any byte is noticed.
func TestFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []byte
	var file bytes.Buffer
	w := NewFrameWriter(&file)
	for i := range 300 {
		record := bytes.Repeat([]byte{byte(i)}, 1000)
		if i%2 == 0 {
			for j := range record {
				record[j] = byte(r.Uint32())
			}
		}
		all = append(all, record...)
		if err := w.Append(func(dst []byte) ([]byte, error) { return append(dst, record...), nil }); err != nil {
			t.Fatal(err)
		}
		if i == 150 {
			if _, err := w.Cut(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) (got []byte, err error) {
		f := NewFrameReader(bytes.NewReader(data))
		for {
			raw, err := f.Next()
			if err != nil {
				if errors.Is(err, io.EOF) && !errors.Is(err, ErrDamaged) {
					err = nil
				}
				return got, err
			}
			got = append(got, raw...)
		}
	}
	if got, err := read(file.Bytes()); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("%d of %d bytes, %v", len(got), len(all), err)
	}
	for range 200 {
		data := bytes.Clone(file.Bytes())
		if at := r.IntN(len(data)); r.IntN(2) == 0 {
			data[at] ^= 1 << r.IntN(8)
		} else {
			data = data[:at]
		}
		if got, err := read(data); err == nil && len(got) == len(all) && !bytes.Equal(got, all) {
			t.Fatal("damage went unnoticed")
		}
	}
}
