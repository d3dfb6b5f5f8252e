package protobuf_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/protobuf"
	pb "github.com/weirstream/weir/connector/kafka/protobuf/internal/orderpb"
	"github.com/weirstream/weir/connector/kafka/registry"
	"github.com/weirstream/weir/connector/kafka/registry/registrytest"
)

// ordersFile is what a registry shows of order.proto: text in its own words, imports that are not
// looked at.
const ordersFile = `syntax = "proto3";
package acme.orders;
import "acme/money.proto";
message Order {
  int64 id = 1;
  acme.Money total = 3;
  message Line { message Note {} }
}
message Refund {
  map<string, int64> reasons = 2;
  message Line { string item = 1; }
  message Photo { bytes jpeg = 1; }
}`

var order = &pb.Order{Id: 7, Shop: "main", Total: &pb.Money{Currency: "EUR", Units: 12},
	At: &timestamppb.Timestamp{Seconds: 99}, Lines: []*pb.Order_Line{{Item: "nut", Count: 3}}}

func client(t testing.TB, reg *registrytest.Server, more ...string) *registry.Client {
	t.Helper()
	params := map[string]string{"schema.registry.url": reg.URL, "retries.wait.ms": "1"}
	for i := 0; i < len(more); i += 2 {
		params[more[i]] = more[i+1]
	}
	c, err := registry.New(params)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// framed is a message as a serializer writes it that counts to it by path.
func framed(t testing.TB, id int, path []int, m proto.Message) []byte {
	t.Helper()
	return append(registry.AppendMessagePath(registry.AppendID(nil, id), path), marshal(t, m)...)
}

// reads decodes with Registry and boxes the message.
func reads[M proto.Message](c *registry.Client) func(kafka.Meta, []byte) (proto.Message, error) {
	d := protobuf.Registry[M](c)
	return func(m kafka.Meta, data []byte) (proto.Message, error) { return d(m, data) }
}

// The paths are those that Confluent's Java serializer writes, and for messages behind a map field
// those of its Go and Python serializers too, which count differently.
func TestRegistryChecksTheMessage(t *testing.T) {
	reg := registrytest.Start(t)
	id := reg.Register("orders-value", "PROTOBUF", ordersFile)
	other := reg.Register("users-value", "PROTOBUF", "syntax = \"proto3\";\npackage acme;\nmessage User {}\nmessage Team {}")
	avro := reg.Register("avro-value", "AVRO", `"string"`)
	broken := reg.Register("broken-value", "PROTOBUF", "message {")
	empty := reg.Register("empty-value", "PROTOBUF", `syntax = "proto3";`)
	c := client(t, reg)
	line := &pb.Order_Line{Item: "nut", Count: 3}
	note := &pb.Order_Line_Note{Text: "soon"}
	back := &pb.Refund_Line{Item: "nut"}
	photo := &pb.Refund_Photo{Jpeg: []byte{1}}
	for _, tt := range []struct {
		name string
		read func(kafka.Meta, []byte) (proto.Message, error)
		id   int
		path []int
		in   proto.Message
		want []string // of the error; none for success
	}{
		{"first message", reads[*pb.Order](c), id, []int{0}, order, nil},
		{"second message", reads[*pb.Refund](c), id, []int{1}, &pb.Refund{OrderId: 7, Reasons: map[string]int64{"a": 1}}, nil},
		{"nested", reads[*pb.Order_Line](c), id, []int{0, 0}, line, nil},
		{"nested twice", reads[*pb.Order_Line_Note](c), id, []int{0, 0, 0}, note, nil},
		{"behind a map, by Java", reads[*pb.Refund_Line](c), id, []int{1, 0}, back, nil},
		{"behind a map, by Go", reads[*pb.Refund_Line](c), id, []int{1, 1}, back, nil},
		{"last behind a map, by Java", reads[*pb.Refund_Photo](c), id, []int{1, 1}, photo, nil},
		{"last behind a map, by Go", reads[*pb.Refund_Photo](c), id, []int{1, 2}, photo, nil},
		{"another message", reads[*pb.Order](c), id, []int{1}, order,
			[]string{"protobuf.Registry[*orderpb.Order]", "acme.orders.Refund (message [1] of schema id 1)", "not a acme.orders.Order"}},
		{"nested for outer", reads[*pb.Order](c), id, []int{0, 0}, line, []string{"acme.orders.Order.Line"}},
		{"namesake", reads[*pb.Order_Line](c), id, []int{1, 0}, back, []string{"acme.orders.Refund.Line"}},
		{"no such message", reads[*pb.Order](c), id, []int{5}, order, []string{"message [5] of schema id 1", "no such message"}},
		{"too deep", reads[*pb.Order](c), id, []int{0, 0, 0, 0}, order, []string{"no such message"}},
		{"another schema", reads[*pb.Order](c), other, []int{0}, order,
			[]string{"schema id 2 defines no message acme.orders.Order, but acme.User, acme.Team"}},
		{"Avro", reads[*pb.Order](c), avro, []int{0}, order, []string{"schema id 3 is AVRO", "avro.Registry"}},
		{"broken schema", reads[*pb.Order](c), broken, []int{0}, order, []string{"schema id 4", "no .proto file"}},
		{"empty schema", reads[*pb.Order](c), empty, []int{0}, order, []string{"but no message at all"}},
		{"unknown id", reads[*pb.Order](c), 999, []int{0}, order, []string{reg.URL, "schema id 999", "40403"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.read(kafka.Meta{}, framed(t, tt.id, tt.path, tt.in))
			if tt.want != nil {
				wantText(t, err, tt.want...)
				return
			}
			if err != nil || !proto.Equal(got, tt.in) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestRegistryRefusesBytes(t *testing.T) {
	reg := registrytest.Start(t)
	reg.Register("orders-value", "PROTOBUF", ordersFile)
	read := protobuf.Registry[*pb.Order](client(t, reg, "max.retries", "0"))
	for _, tt := range []struct {
		name string
		data string
		want []string
	}{
		{"bare", string(marshal(t, order)), []string{"begins with byte 0x08", "magic byte 0", "protobuf.Message"}},
		{"JSON", `{"id":7}`, []string{"JSON", "kafka.JSON"}},
		{"empty", "", []string{"tombstone"}},
		{"no path", "\x00\x00\x00\x00\x01", []string{"message path", "cut short"}},
		{"huge path", "\x00\x00\x00\x00\x01\xfe\xff\xff\xff\x0f", []string{"claims 2147483647 elements"}},
		{"cut message", "\x00\x00\x00\x00\x01\x00\x12\x04ma", []string{"acme.orders.Order of schema id 1, 4 bytes"}},
		{"garbage", "\x00\x00\x00\x00\x01\x00\xff\xff\xff", []string{"acme.orders.Order of schema id 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(kafka.Meta{}, []byte(tt.data))
			wantText(t, err, tt.want...)
			if got != nil {
				t.Errorf("an error came with %v", got)
			}
		})
	}
	reg.Fault(func(*http.Request) http.HandlerFunc { return registrytest.Refuse(401, 401, "Unauthorized") })
	_, err := protobuf.Registry[*pb.Order](client(t, reg))(kafka.Meta{}, framed(t, 1, []int{0}, order))
	wantText(t, err, "HTTP 401", "basic.auth.user.info")
}

// With the GUID in a header the path stands there too, and the value is bare.
func TestSchemaInTheHeader(t *testing.T) {
	reg := registrytest.Start(t)
	guid := reg.GUID(reg.Register("orders-value", "PROTOBUF", ordersFile))
	head := registry.AppendMessagePath(append([]byte{1}, guid[:]...), []int{0, 0})
	m := kafka.Meta{Headers: []kafka.Header{{Key: "__value_schema_id", Value: head}}}
	line := &pb.Order_Line{Item: "nut"}
	got, err := protobuf.Registry[*pb.Order_Line](client(t, reg))(m, marshal(t, line))
	if err != nil || !proto.Equal(got, line) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestGoldenBytes(t *testing.T) {
	reg := registrytest.Start(t)
	c := client(t, reg)
	for _, tt := range []struct {
		name string
		data []byte
		err  error
		want string
	}{
		writes(protobuf.RegistrySerializer[*pb.Order](c), &pb.Order{Shop: "a"}, "\x00\x00\x00\x00\x02\x00\x12\x01a"),
		writes(protobuf.RegistrySerializer[*pb.Refund](c), &pb.Refund{OrderId: 1}, "\x00\x00\x00\x00\x02\x02\x02\x08\x01"),
		writes(protobuf.RegistrySerializer[*pb.Order_Line_Note](c), &pb.Order_Line_Note{Text: "a"},
			"\x00\x00\x00\x00\x02\x06\x00\x00\x00\x0a\x01a"),
		// Java's count, not Go's, because Java's consumers look it up.
		writes(protobuf.RegistrySerializer[*pb.Refund_Photo](c), &pb.Refund_Photo{Jpeg: []byte("a")},
			"\x00\x00\x00\x00\x02\x04\x02\x02\x0a\x01a"),
		writes(protobuf.MessageSerializer[*pb.Order], &pb.Order{Shop: "a"}, "\x12\x01a"),
		writes(protobuf.MessageSerializer[*pb.Order], &pb.Order{}, ""),
	} {
		if tt.err != nil || string(tt.data) != tt.want || tt.data == nil {
			t.Errorf("%s: wrote %q, %v, want %q", tt.name, tt.data, tt.err, tt.want)
		}
	}
	want := []string{"POST /subjects/acme%2Fmoney.proto/versions", "POST /subjects/acme%2Fmoney.proto", "POST /subjects/t-value/versions"}
	if got := reg.Requests()[:3]; !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func writes[M proto.Message](s kafka.Serializer[M], v M, want string) struct {
	name string
	data []byte
	err  error
	want string
} {
	data, err := s(kafka.SerializeMeta{Topic: "t"}, v)
	return struct {
		name string
		data []byte
		err  error
		want string
	}{fmt.Sprint(reflect.TypeFor[M]()), data, err, want}
}

// What RegistrySerializer registers, Registry reads, in every way of finding the id.
func TestRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings []string
	}{
		{"registered", nil},
		{"looked up", []string{"auto.register.schemas", "false"}},
		{"latest", []string{"auto.register.schemas", "false", "use.latest.version", "true"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := registrytest.Start(t)
			meta := kafka.SerializeMeta{Topic: "t"}
			// Somebody registered it before.
			if _, err := protobuf.RegistrySerializer[*pb.Order](client(t, reg))(meta, order); err != nil {
				t.Fatal(err)
			}
			c := client(t, reg, tt.settings...)
			data, err := protobuf.RegistrySerializer[*pb.Order_Line](c)(meta, order.Lines[0])
			if err != nil {
				t.Fatal(err)
			}
			got, err := protobuf.Registry[*pb.Order_Line](c)(kafka.Meta{}, data)
			if err != nil || !proto.Equal(got, order.Lines[0]) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// Written with a schema that somebody else registered, the path is that schema's.
func TestLatestDecidesThePath(t *testing.T) {
	reg := registrytest.Start(t)
	reg.Register("t-value", "PROTOBUF", "syntax = \"proto3\";\npackage acme.orders;\nmessage First {}\nmessage Order {}")
	reg.Register("u-value", "PROTOBUF", "syntax = \"proto3\";\nmessage User {}")
	c := client(t, reg, "auto.register.schemas", "false", "use.latest.version", "true")
	data, err := protobuf.RegistrySerializer[*pb.Order](c)(kafka.SerializeMeta{Topic: "t"}, &pb.Order{Shop: "a"})
	if err != nil || string(data) != "\x00\x00\x00\x00\x01\x02\x02\x12\x01a" {
		t.Errorf("wrote %q, %v", data, err)
	}
	_, err = protobuf.RegistrySerializer[*pb.Order](c)(kafka.SerializeMeta{Topic: "u"}, order)
	wantText(t, err, "schema id 2", "latest of subject u-value", "acme.orders.Order", "User")
	_, err = protobuf.RegistrySerializer[*pb.Order](c)(kafka.SerializeMeta{Topic: "none"}, order)
	wantText(t, err, "subject none-value", "40401")
}

func TestMessage(t *testing.T) {
	got, err := protobuf.Message[*pb.Order](kafka.Meta{}, marshal(t, order))
	if err != nil || !proto.Equal(got, order) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err = protobuf.Message[*pb.Order](kafka.Meta{}, nil); err != nil || got == nil {
		t.Errorf("no bytes gave %v, %v, want an empty message", got, err)
	}
	for _, tt := range []struct {
		name string
		data string
		want []string
	}{
		{"cut", "\x12\x04ma", []string{"protobuf.Message[*orderpb.Order]", "4 bytes"}},
		{"framed", string(framed(t, 1, []int{0}, order)), []string{"first byte is 0", "protobuf.Registry"}},
		{"text", "hello", []string{"5 bytes"}},
		{"no UTF-8", "\x12\x01\xff", []string{"UTF-8"}},
	} {
		got, err := protobuf.Message[*pb.Order](kafka.Meta{}, []byte(tt.data))
		wantText(t, err, tt.want...)
		if got != nil {
			t.Errorf("%s: an error came with %v", tt.name, got)
		}
	}
	// A required field of proto2 that is missing.
	_, err = protobuf.Message[*descriptorpb.UninterpretedOption](kafka.Meta{}, []byte("\x12\x02\x0a\x00"))
	wantText(t, err, "required")
}

func TestNulls(t *testing.T) {
	c := client(t, registrytest.Start(t))
	null := kafka.Meta{Null: true}
	if got, err := protobuf.Message[*pb.Order](null, nil); got != nil || err != nil || got.GetShop() != "" {
		t.Errorf("Message gave %v, %v", got, err)
	}
	if got, err := protobuf.Registry[*pb.Order](c)(null, nil); got != nil || err != nil {
		t.Errorf("Registry gave %v, %v", got, err)
	}
	if data, err := protobuf.MessageSerializer[*pb.Order](kafka.SerializeMeta{}, nil); data != nil || err != nil {
		t.Errorf("MessageSerializer wrote %q, %v", data, err)
	}
	if data, err := protobuf.MessageSerializer[proto.Message](kafka.SerializeMeta{}, nil); data != nil || err != nil {
		t.Errorf("MessageSerializer of no message at all wrote %q, %v", data, err)
	}
	if data, err := protobuf.RegistrySerializer[*pb.Order](c)(kafka.SerializeMeta{}, nil); data != nil || err != nil {
		t.Errorf("RegistrySerializer wrote %q, %v", data, err)
	}
}

// A type argument that cannot work is said by the first call, and does not panic.
func TestMisbuilt(t *testing.T) {
	c := client(t, registrytest.Start(t))
	null := kafka.Meta{Null: true}
	_, err := protobuf.Message[proto.Message](kafka.Meta{}, nil)
	wantText(t, err, "protoreflect.ProtoMessage", "protobuf.Message[*pb.Order]")
	_, err = protobuf.Message[*dynamicpb.Message](kafka.Meta{}, nil)
	wantText(t, err, "*dynamicpb.Message", "generated")
	_, err = protobuf.Registry[proto.Message](c)(null, nil)
	wantText(t, err, "generated")
	_, err = protobuf.Registry[*pb.Order](nil)(null, nil)
	wantText(t, err, "registry.New")
	_, err = protobuf.RegistrySerializer[*pb.Order](nil)(kafka.SerializeMeta{}, order)
	wantText(t, err, "registry.New")
	_, err = protobuf.RegistrySerializer[*dynamicpb.Message](c)(kafka.SerializeMeta{}, nil)
	wantText(t, err, "generated")
	_, err = protobuf.MessageSerializer(kafka.SerializeMeta{}, &descriptorpb.UninterpretedOption_NamePart{})
	wantText(t, err, "required")
}

func TestMapsAreWrittenInOrder(t *testing.T) {
	m := &pb.Refund{Reasons: map[string]int64{}}
	for i := range 50 {
		m.Reasons[fmt.Sprint(i)] = int64(i)
	}
	first, err := protobuf.MessageSerializer(kafka.SerializeMeta{}, m)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := protobuf.MessageSerializer(kafka.SerializeMeta{}, proto.CloneOf(m))
		if err != nil || !slices.Equal(first, again) {
			t.Fatalf("the same message was written as other bytes, %v", err)
		}
	}
}

func TestManyTasks(t *testing.T) {
	reg := registrytest.Start(t)
	const schemas = 5
	for i := range schemas {
		reg.Register("orders-value", "PROTOBUF", fmt.Sprintf("%s\nmessage More%d {}", ordersFile, i))
	}
	read := protobuf.Registry[*pb.Order_Line](client(t, reg))
	var wg sync.WaitGroup
	for task := range 32 {
		wg.Go(func() {
			for i := range 50 {
				line := &pb.Order_Line{Count: int32(task*100 + i)}
				got, err := read(kafka.Meta{}, framed(t, 1+(task+i)%schemas, []int{0, 0}, line))
				if err != nil || got.GetCount() != line.GetCount() {
					t.Errorf("got %v, %v, want %v", got, err, line)
				}
			}
		})
	}
	wg.Wait()
	if n := len(reg.Requests()); n != schemas {
		t.Errorf("%d requests for %d schemas", n, schemas)
	}
}

// Whatever the bytes: no panic, and a message that is read is written back the same.
func FuzzRegistry(f *testing.F) {
	reg := registrytest.Start(f)
	id := reg.Register("orders-value", "PROTOBUF", ordersFile)
	f.Add([]byte("\x00\x12\x01a"))
	f.Add([]byte("\x04\x00\x00\x0a\x01a"))
	f.Add(framed(f, id, []int{0}, order)[5:])
	f.Add([]byte("\x00\x1a\xff\xff\xff\xff\x0f"))
	f.Add([]byte(strings.Repeat("\x00\x2a\x02", 40)))
	c := client(f, reg)
	outer, inner := protobuf.Registry[*pb.Order](c), protobuf.Registry[*pb.Order_Line](c)
	write := protobuf.RegistrySerializer[*pb.Order](c)
	f.Fuzz(func(t *testing.T, data []byte) {
		data = append(registry.AppendID(nil, id), data...)
		_, _ = inner(kafka.Meta{}, data)
		_, _ = protobuf.Message[*pb.Order](kafka.Meta{}, data[5:])
		v, err := outer(kafka.Meta{}, data)
		if err != nil {
			return
		}
		again, err := write(kafka.SerializeMeta{Topic: "t"}, v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := outer(kafka.Meta{}, again)
		if err != nil || !proto.Equal(v, back) && !strings.Contains(v.String(), "nan") {
			t.Errorf("%v came back as %v, %v", v, back, err)
		}
	})
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}
