package protobuf_test

import (
	"testing"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/protobuf"
	pb "github.com/weirstream/weir/connector/kafka/protobuf/internal/orderpb"
	"github.com/weirstream/weir/connector/kafka/registry/registrytest"
)

// BenchmarkRegistry is the cost of one record whose schema is known, nested one level deep.
func BenchmarkRegistry(b *testing.B) {
	reg := registrytest.Start(b)
	id := reg.Register("t-value", "PROTOBUF", ordersFile)
	read := protobuf.Registry[*pb.Order_Line](client(b, reg))
	data := framed(b, id, []int{0, 0}, &pb.Order_Line{Item: "nut", Count: 3})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if v, err := read(kafka.Meta{}, data); err != nil || v.Count != 3 {
				b.Errorf("got %v, %v", v, err)
			}
		}
	})
}
