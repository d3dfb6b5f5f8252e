package avro_test

import (
	"fmt"
	"math"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/avro"
	"github.com/weirstream/weir/connector/kafka/registry"
	"github.com/weirstream/weir/connector/kafka/registry/registrytest"
)

// The bytes that the first example of Confluent's documentation puts on a topic: {"f1": "value1"},
// under id 1.
const golden = "\x00\x00\x00\x00\x01\x0cvalue1"

const goldenSchema = `{"type":"record","name":"myrecord","fields":[{"name":"f1","type":"string"}]}`

type myrecord struct {
	F1 string `avro:"f1"`
}

func TestGoldenBytes(t *testing.T) {
	reg := registrytest.Start(t)
	write := avro.RegistrySerializer[myrecord](client(t, reg))
	data, err := write(kafka.SerializeMeta{Topic: "t1"}, myrecord{"value1"})
	if err != nil || string(data) != golden {
		t.Errorf("wrote %q, %v, want %q", data, err, golden)
	}
	if got := reg.Requests(); !reflect.DeepEqual(got, []string{"POST /subjects/t1-value/versions"}) {
		t.Errorf("asked %q", got)
	}
	got, err := avro.Registry[myrecord](client(t, reg))(kafka.Meta{}, data)
	if err != nil || got.F1 != "value1" {
		t.Errorf("read %+v, %v", got, err)
	}
	if unsafe.StringData(got.F1) != &data[6] {
		t.Error("the string was copied out of the buffer")
	}
	_, err = avro.Schema[myrecord](goldenSchema)(kafka.Meta{}, data)
	wantText(t, err, "schema myrecord", "use avro.Registry")
	plain, err := avro.SchemaSerializer[myrecord](goldenSchema)(kafka.SerializeMeta{}, myrecord{"value1"})
	if err != nil || string(plain) != golden[5:] {
		t.Errorf("without a registry %q, %v", plain, err)
	}
}

// A value of type bytes alone stands in Confluent's format without the length that Avro has.
func TestBytesAlone(t *testing.T) {
	reg := registrytest.Start(t)
	c := client(t, reg)
	data, err := avro.RegistrySerializer[[]byte](c)(kafka.SerializeMeta{Topic: "t"}, []byte("abc"))
	if err != nil || string(data) != "\x00\x00\x00\x00\x01abc" {
		t.Errorf("wrote %q, %v", data, err)
	}
	for _, want := range []string{"", "abc", strings.Repeat("x", 300)} {
		got, err := avro.Registry[[]byte](c)(kafka.Meta{}, []byte("\x00\x00\x00\x00\x01"+want))
		if err != nil || string(got) != want {
			t.Errorf("read %q, %v", got, err)
		}
	}
	// Without a registry it is Avro's own.
	plain, err := avro.SchemaSerializer[[]byte]("")(kafka.SerializeMeta{}, []byte("abc"))
	if err != nil || string(plain) != "\x06abc" {
		t.Errorf("plain: %q, %v", plain, err)
	}
}

func TestReferencedSchemas(t *testing.T) {
	reg := registrytest.Start(t)
	reg.Register("shop", "AVRO", `{"type":"record","name":"Shop","namespace":"acme","fields":[{"name":"name","type":"string"}]}`)
	id := reg.Register("orders-value", "AVRO", record(`{"name":"main","type":"acme.Shop"}`),
		registrytest.Reference{Name: "acme.Shop", Subject: "shop", Version: 1})
	type order struct {
		Main shop `avro:"main"`
	}
	got, err := avro.Registry[order](client(t, reg))(kafka.Meta{}, append(registry.AppendID(nil, id), "\x02x"...))
	if err != nil || got != (order{shop{"x", "CN"}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	broken := reg.Register("broken", "AVRO", record(`{"name":"main","type":"acme.None"}`))
	_, err = avro.Registry[order](client(t, reg))(kafka.Meta{}, registry.AppendID(nil, broken))
	wantText(t, err, fmt.Sprintf("schema id %d", broken), "acme.None")
}

func TestRegistryRefuses(t *testing.T) {
	reg := registrytest.Start(t)
	reg.Register("t-value", "AVRO", goldenSchema)
	proto := reg.Register("p-value", "PROTOBUF", `syntax = "proto3";`)
	json := reg.Register("j-value", "JSON", `{}`)
	read := avro.Registry[myrecord](client(t, reg, "max.retries", "0"))
	for _, tt := range []struct {
		name string
		data string
		want []string
	}{
		{"JSON text", `{"f1":"x"}`, []string{"avro.Registry[avro_test.myrecord]", "magic byte 0", "avro.Schema"}},
		{"empty", "", []string{"empty", "tombstone"}},
		{"unknown id", "\x00\x00\x00\x03\xe7x", []string{reg.URL, "schema id 999", "40403", "schema.registry.url"}},
		{"Protobuf", string(registry.AppendID(nil, proto)), []string{"PROTOBUF", "protobuf.Registry"}},
		{"JSON schema", string(registry.AppendID(nil, json)), []string{"JSON", "kafka.Bytes"}},
		{"cut", golden[:8], []string{"schema id 1 (myrecord)", "f1"}},
		{"length beyond the data", "\x00\x00\x00\x00\x01\xfe\xff\xff\xff\x0fabc", []string{"schema id 1 (myrecord)"}},
		{"negative length", "\x00\x00\x00\x00\x01\x01", []string{"schema id 1 (myrecord)"}},
		{"too long", golden + "!!", []string{"2 bytes before the data do", "another schema"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(kafka.Meta{}, []byte(tt.data))
			wantText(t, err, tt.want...)
			if got != (myrecord{}) {
				t.Errorf("an error came with %+v", got)
			}
		})
	}
	reg.Fault(func(*http.Request) http.HandlerFunc { return registrytest.Refuse(401, 401, "Unauthorized") })
	_, err := avro.Registry[myrecord](client(t, reg))(kafka.Meta{}, []byte(golden))
	wantText(t, err, "HTTP 401", "basic.auth.user.info")
}

func TestNulls(t *testing.T) {
	reg := registrytest.Start(t)
	c := client(t, reg)
	for _, tt := range []struct {
		name string
		got  any
		want any
	}{
		{"struct", null(t, avro.Registry[myrecord](c)), myrecord{}},
		{"pointer", null(t, avro.Registry[*myrecord](c)), (*myrecord)(nil)},
		{"map", null(t, avro.Registry[map[string]any](c)), map[string]any(nil)},
		{"plain", null(t, avro.Schema[string](`"string"`)), ""},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: a null gave %#v, want %#v", tt.name, tt.got, tt.want)
		}
	}
	for _, tt := range []struct {
		name string
		data []byte
		err  error
	}{
		written("pointer", avro.RegistrySerializer[*myrecord](c), nil),
		written("plain pointer", avro.SchemaSerializer[*myrecord](""), nil),
		written("map", avro.SchemaSerializer[map[string]any](goldenSchema), nil),
		written("interface", avro.SchemaSerializer[any](goldenSchema), nil),
		written("map in an interface", avro.SchemaSerializer[any](goldenSchema), any(map[string]any(nil))),
	} {
		if tt.data != nil || tt.err != nil {
			t.Errorf("%s: nil was written as %q, %v, want a null", tt.name, tt.data, tt.err)
		}
	}
	if got := reg.Requests(); len(got) != 0 {
		t.Errorf("nulls asked the registry: %q", got)
	}
}

func null[T any](t *testing.T, d kafka.Deserializer[T]) any {
	t.Helper()
	v, err := d(kafka.Meta{Null: true}, nil)
	if err != nil {
		t.Error(err)
	}
	return v
}

func written[T any](name string, s kafka.Serializer[T], v T) struct {
	name string
	data []byte
	err  error
} {
	data, err := s(kafka.SerializeMeta{Topic: "t"}, v)
	return struct {
		name string
		data []byte
		err  error
	}{name, data, err}
}

// What cannot work is said by the first call, even if that is for a null.
func TestMisbuilt(t *testing.T) {
	reg := registrytest.Start(t)
	c := client(t, reg)
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"no client", nullErr(avro.Registry[myrecord](nil)), "registry.New"},
		{"no schema", nullErr(avro.Schema[myrecord]("")), "avro.Schema[avro_test.myrecord]"},
		{"no fit", nullErr(avro.Schema[myrecord](record(``))), "lacks f1"},
		{"write without client", written("", avro.RegistrySerializer[myrecord](nil), myrecord{}).err, "registry.New"},
		{"write anything", written("", avro.RegistrySerializer[any](c), any(1)).err, "takes anything: give one"},
		{"write what has no schema", written("", avro.RegistrySerializer[anything](c), anything{}).err, "give one"},
		{"write with a broken schema", written("", avro.SchemaSerializer[myrecord]("{"), myrecord{}).err, "SchemaSerializer"},
		{"write fewer fields", written("", avro.RegistrySerializer[myrecord](c, avro.Writer(record(``))), myrecord{}).err,
			"lacks f1, whose values would be lost"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, tt.err, tt.want)
		}
	}
}

func nullErr[T any](d kafka.Deserializer[T]) error {
	_, err := d(kafka.Meta{Null: true}, nil)
	return err
}

func TestSerializerFollowsTheRegistry(t *testing.T) {
	reg := registrytest.Start(t)
	latest := []string{"auto.register.schemas", "false", "use.latest.version", "true"}
	const withNote = `{"type":"record","name":"myrecord","fields":[{"name":"note","type":["null","string"],"default":null},` +
		`{"name":"f1","type":"string"}]}`
	reg.Register("t-value", "AVRO", goldenSchema)

	// Written with the latest schema, whose order of fields is another.
	reg.Register("r-value", "AVRO", `{"type":"record","name":"R","fields":[{"name":"b","type":"string"},{"name":"a","type":"long"}]}`)
	type ab struct {
		A int64  `avro:"a"`
		B string `avro:"b"`
	}
	data, err := avro.RegistrySerializer[ab](client(t, reg, latest...))(kafka.SerializeMeta{Topic: "r"}, ab{1, "x"})
	if err != nil || string(data) != "\x00\x00\x00\x00\x02\x02x\x02" {
		t.Errorf("wrote %q, %v", data, err)
	}
	// A field that the latest schema lacks would be lost.
	type more struct {
		F1   string  `avro:"f1"`
		Note *string `avro:"note"`
	}
	write := avro.RegistrySerializer[more](client(t, reg, latest...))
	_, err = write(kafka.SerializeMeta{Topic: "t"}, more{F1: "x"})
	wantText(t, err, "schema id 1 (myrecord)", "lacks note", "lost")

	reg.Register("n-value", "AVRO", withNote)
	data, err = write(kafka.SerializeMeta{Topic: "n"}, more{F1: "x"})
	if err != nil || string(data) != "\x00\x00\x00\x00\x03\x00\x02x" {
		t.Errorf("wrote %q, %v", data, err)
	}
	// A schema of one's own, and a value that does not fit it.
	own := avro.RegistrySerializer[map[string]any](client(t, reg), avro.Writer(goldenSchema))
	if data, err = own(kafka.SerializeMeta{Topic: "t"}, map[string]any{"f1": "value1"}); err != nil || string(data) != golden {
		t.Errorf("wrote %q, %v", data, err)
	}
	_, err = own(kafka.SerializeMeta{Topic: "t"}, map[string]any{"f1": 3})
	wantText(t, err, "avro.RegistrySerializer", "schema myrecord", "f1")
	// The registry's no is passed on.
	_, err = avro.RegistrySerializer[ab](client(t, reg, "auto.register.schemas", "false"))(kafka.SerializeMeta{Topic: "r"}, ab{})
	wantText(t, err, "subject r-value", "auto.register.schemas=true")
}

func TestPrimitives(t *testing.T) {
	reg := registrytest.Start(t)
	c := client(t, reg)
	for _, tt := range []struct {
		name string
		back func() (any, error)
		want any
	}{
		{"string", roundTrip(c, "s", "x"), "x"},
		{"int64", roundTrip(c, "l", int64(math.MinInt64)), int64(math.MinInt64)},
		{"int32", roundTrip(c, "i", int32(-1)), int32(-1)},
		{"float64", roundTrip(c, "d", 1.5), 1.5},
		{"float32", roundTrip(c, "f", float32(1.5)), float32(1.5)},
		{"bool", roundTrip(c, "b", true), true},
		{"slice", roundTrip(c, "a", []string{"x", "y"}), []string{"x", "y"}},
		{"map", roundTrip(c, "m", map[string]int32{"k": 1}), map[string]int32{"k": 1}},
		{"record", roundTrip(c, "r", nested{Main: shop{"a", "b"}, Other: []shop{{"c", "d"}}, By: map[string]shop{}}),
			nested{Main: shop{"a", "b"}, Other: []shop{{"c", "d"}}, By: map[string]shop{}}},
	} {
		if got, err := tt.back(); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s came back as %#v, %v", tt.name, got, err)
		}
	}
}

func roundTrip[T any](c *registry.Client, topic string, v T) func() (any, error) {
	return func() (any, error) {
		data, err := avro.RegistrySerializer[T](c)(kafka.SerializeMeta{Topic: topic, IsKey: true}, v)
		if err != nil {
			return nil, err
		}
		return avro.Registry[T](c)(kafka.Meta{Topic: topic, IsKey: true}, data)
	}
}

// Many tasks and many schemas at once: each schema is asked for once, and nobody reads another's.
func TestManyTasks(t *testing.T) {
	reg := registrytest.Start(t)
	const schemas = 6
	for i := range schemas {
		reg.Register("t-value", "AVRO", record(fmt.Sprintf(`{"name":"x%d","type":"int"},{"name":"id","type":"long"}`, i)))
	}
	read := avro.Registry[withDefaults](client(t, reg))
	var wg sync.WaitGroup
	for task := range 32 {
		wg.Go(func() {
			for i := range 50 {
				id := 1 + (task+i)%schemas
				got, err := read(kafka.Meta{}, append(registry.AppendID(nil, id), 0, byte(2*id)))
				if err != nil || got.ID != int64(id) || got.Shop != "main" {
					t.Errorf("schema id %d gave %+v, %v", id, got, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(reg.Requests()); n != schemas {
		t.Errorf("%d requests for %d schemas", n, schemas)
	}
}

// Whatever the bytes and whichever the schema: no panic, and no more memory than the length of the
// input explains.
func FuzzRegistry(f *testing.F) {
	reg := registrytest.Start(f)
	for i, schema := range []string{
		goldenSchema, `"bytes"`, `{"type":"array","items":"null"}`, `{"type":"map","values":"long"}`,
		`{"type":"record","name":"Tree","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","Tree"]}]}`,
		record(`{"name":"id","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}}`),
		`{"type":"array","items":{"type":"array","items":{"type":"record","name":"Empty","fields":[]}}}`,
		`{"type":"enum","name":"E","symbols":["A","B"]}`, `["null","string",{"type":"fixed","name":"F","size":1000000}]`,
	} {
		reg.Register(fmt.Sprint(i), "AVRO", schema)
		f.Add(byte(i), []byte("\x0cvalue1"))
		f.Add(byte(i), []byte("\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"))
		f.Add(byte(i), []byte{1, 2, 3, 0})
	}
	c := client(f, reg)
	whole, some, text := avro.Registry[any](c), avro.Registry[*tree](c), avro.Registry[string](c)
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		data = append(registry.AppendID(nil, 1+int(which)%9), data...)
		// The first call of each also compiles the schema, which is not counted.
		for range 2 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = whole(kafka.Meta{}, data)
			_, _ = some(kafka.Meta{}, data)
			_, _ = text(kafka.Meta{}, data)
			runtime.ReadMemStats(&after)
			if grew := after.TotalAlloc - before.TotalAlloc; grew > 8<<20+4096*uint64(len(data)) {
				t.Errorf("%d bytes took %d of memory", len(data), grew)
			}
		}
	})
}

// Whatever the text of a schema: an error or a value, and no panic.
func FuzzSchema(f *testing.F) {
	f.Add(goldenSchema, []byte("\x0cvalue1"))
	f.Add(record(`{"name":"skipped","type":`+shopType+`},{"name":"main","type":["null","Shop"]}`), []byte{2, 65, 2, 2, 65})
	f.Add(`{"type":"record","name":"Tree","fields":[{"name":"next","type":["null","Tree"]}]}`, []byte{2, 2, 0})
	f.Add(`[{"type":"array","items":"long"},{"type":"map","values":["null","int"]}]`, []byte{0, 2, 2, 0})
	f.Add(`{"type":"record","name":"a.b","fields":[{"name":"id","aliases":["x"],"type":{"type":"fixed","name":"c","size":2}}]}`,
		[]byte{1, 2})
	f.Add(strings.Repeat(`{"type":"array","items":`, 3000)+`"int"`+strings.Repeat(`}`, 3000), []byte{2, 2})
	f.Fuzz(func(t *testing.T, schema string, data []byte) {
		_, _ = avro.Schema[any](schema)(kafka.Meta{}, data)
		_, _ = avro.Schema[mainOnly](schema)(kafka.Meta{}, data)
		_, _ = avro.Schema[*tree](schema)(kafka.Meta{}, data)
		_, _ = avro.Schema[renamed](schema, avro.Reader(record(`{"name":"number","type":"long","default":1}`)))(kafka.Meta{}, data)
		_, _ = avro.SchemaSerializer[shop](schema)(kafka.SerializeMeta{}, shop{"a", "b"})
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
