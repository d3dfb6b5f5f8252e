package avro_test

import (
	"testing"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/avro"
	"github.com/weirstream/weir/connector/kafka/registry/registrytest"
)

// BenchmarkRegistry is the cost of one record whose schema is known: a string and nothing around it.
func BenchmarkRegistry(b *testing.B) {
	reg := registrytest.Start(b)
	reg.Register("t-value", "AVRO", goldenSchema)
	read := avro.Registry[myrecord](client(b, reg))
	data := []byte(golden)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if v, err := read(kafka.Meta{}, data); err != nil || v.F1 != "value1" {
				b.Errorf("got %+v, %v", v, err)
			}
		}
	})
}
