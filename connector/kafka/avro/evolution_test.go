package avro_test

import (
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	twmb "github.com/twmb/avro"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/avro"
	"github.com/weirstream/weir/connector/kafka/registry"
	"github.com/weirstream/weir/connector/kafka/registry/registrytest"
)

// record is a writer's schema with fields as they are given.
func record(fields string) string {
	return `{"type":"record","name":"Order","namespace":"acme","fields":[` + fields + `]}`
}

// client makes a Client of a registry on the loopback interface, with more settings in pairs.
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

// encoded is a value written with a schema, without a registry's prefix.
func encoded(t testing.TB, schema string, v any) []byte {
	t.Helper()
	data, err := twmb.MustParse(schema).Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// reads decodes data that were written with a schema in both ways, through a registry and without
// one, which must not differ.
func reads[T any](opts ...avro.Option) func(t *testing.T, schema string, data []byte) (any, error) {
	return func(t *testing.T, schema string, data []byte) (any, error) {
		t.Helper()
		reg := registrytest.Start(t)
		id := reg.Register("t-value", "AVRO", schema)
		got, err := avro.Registry[T](client(t, reg), opts...)(kafka.Meta{}, append(registry.AppendID(nil, id), data...))
		plain, plainErr := avro.Schema[T](schema, opts...)(kafka.Meta{}, data)
		if (err == nil) != (plainErr == nil) || !reflect.DeepEqual(got, plain) {
			t.Errorf("with a registry %#v, %v; without %#v, %v", got, err, plain, plainErr)
		}
		return got, err
	}
}

type (
	base struct {
		ID int64 `avro:"id"`
	}
	withDefaults struct {
		ID    int64             `avro:"id"`
		Shop  string            `avro:"shop,default=main"`
		Count int32             `avro:"count,default=3"`
		Rate  float64           `avro:"rate,default=0.5"`
		Open  bool              `avro:"open,default=true"`
		Note  *string           `avro:"note"`
		Tags  []string          `avro:"tags"`
		Attrs map[string]string `avro:"attrs"`
	}
	renamed struct {
		Number int64 `avro:"number,alias=id"`
	}
	untagged struct{ ID int64 }
	wide     struct {
		A int64   `avro:"a"`
		B float64 `avro:"b"`
		C float64 `avro:"c"`
		D string  `avro:"d"`
	}
	narrow struct {
		A int8    `avro:"a"`
		B float32 `avro:"b"`
	}
	shop struct {
		Name    string `avro:"name"`
		Country string `avro:"country,default=CN"`
	}
	mainOnly struct {
		Main shop `avro:"main"`
	}
	secondShop struct {
		Name string `avro:"name"`
		Zip  string `avro:"zip,default=none"`
	}
	twoShops struct {
		One shop       `avro:"one"`
		Two secondShop `avro:"two"`
	}
	anything struct{ A any }
	nested   struct {
		Main  shop            `avro:"main"`
		Other []shop          `avro:"other"`
		By    map[string]shop `avro:"by"`
		Maybe *shop           `avro:"maybe"`
	}
	tree struct {
		V    int32 `avro:"v"`
		W    int32 `avro:"w,default=9"`
		Next *tree `avro:"next"`
	}
	rich struct {
		State string    `avro:"state"`
		At    time.Time `avro:"at"`
		Total *big.Rat  `avro:"total,decimal(10,2)"`
		Key   [4]byte   `avro:"key"`
		Note  string    `avro:"note"`
	}
)

const shopType = `{"type":"record","name":"Shop","fields":[{"name":"name","type":"string"}]}`

func TestEvolution(t *testing.T) {
	type fields = map[string]any
	at := time.Date(2026, 11, 23, 1, 2, 3, 456789000, time.UTC)
	for _, tt := range []struct {
		name   string
		schema string
		value  any
		read   func(*testing.T, string, []byte) (any, error)
		want   any
	}{
		{"same", record(`{"name":"id","type":"long"}`), fields{"id": int64(7)}, reads[base](), base{7}},
		{"pointer", record(`{"name":"id","type":"long"}`), fields{"id": int64(7)}, reads[*base](), &base{7}},
		{"by Go's name", record(`{"name":"ID","type":"long"}`), fields{"ID": int64(7)}, reads[untagged](), untagged{7}},
		{"as a map", record(`{"name":"id","type":"long"}`), fields{"id": int64(7)}, reads[map[string]any](), fields{"id": int64(7)}},
		{"as any", record(`{"name":"id","type":"long"}`), fields{"id": int64(7)}, reads[any](), any(fields{"id": int64(7)})},
		{"removed field", record(`{"name":"x","type":{"type":"array","items":"string"}},{"name":"id","type":"long"}`),
			fields{"x": []string{"a", "b"}, "id": int64(7)}, reads[base](), base{7}},
		{"added fields", record(`{"name":"id","type":"long"}`), fields{"id": int64(7)}, reads[withDefaults](),
			withDefaults{ID: 7, Shop: "main", Count: 3, Rate: 0.5, Open: true}},
		{"written fields beat defaults", record(`{"name":"id","type":"long"},{"name":"shop","type":"string"}`),
			fields{"id": int64(7), "shop": ""}, reads[withDefaults](),
			withDefaults{ID: 7, Shop: "", Count: 3, Rate: 0.5, Open: true}},
		{"renamed field", record(`{"name":"id","type":"long"}`), fields{"id": int64(7)}, reads[renamed](), renamed{7}},
		{"reordered", record(`{"name":"b","type":"float"},{"name":"a","type":"int"}`), fields{"a": int32(5), "b": float32(1.5)},
			reads[narrow](), narrow{5, 1.5}},
		{"promoted", record(`{"name":"a","type":"int"},{"name":"b","type":"float"},{"name":"c","type":"long"},{"name":"d","type":"bytes"}`),
			fields{"a": int32(5), "b": float32(1.5), "c": int64(9), "d": []byte("x")}, reads[wide](), wide{5, 1.5, 9, "x"}},
		{"added within records", record(`{"name":"main","type":` + shopType + `},{"name":"other","type":{"type":"array","items":"Shop"}},
			{"name":"by","type":{"type":"map","values":"Shop"}},{"name":"maybe","type":["null","Shop"]}`),
			fields{"main": fields{"name": "a"}, "other": []any{fields{"name": "b"}}, "by": fields{"k": fields{"name": "c"}},
				"maybe": fields{"name": "d"}}, reads[nested](),
			nested{shop{"a", "CN"}, []shop{{"b", "CN"}}, map[string]shop{"k": {"c", "CN"}}, &shop{"d", "CN"}}},
		{"added in a type that contains itself", `{"type":"record","name":"Tree","fields":[{"name":"v","type":"int"},
			{"name":"next","type":["null","Tree"]}]}`, fields{"v": int32(1), "next": fields{"v": int32(2), "next": nil}},
			reads[tree](), tree{1, 9, &tree{2, 9, nil}}},
		{"defined in a field that is skipped", record(`{"name":"skipped","type":` + shopType + `},{"name":"main","type":"Shop"}`),
			fields{"skipped": fields{"name": "x"}, "main": fields{"name": "a"}},
			reads[mainOnly](), mainOnly{shop{"a", "CN"}}},
		{"names with dots", `{"type":"record","name":"acme.Order","fields":[{"name":"skipped","type":
			{"type":"record","name":"Shop","fields":[{"name":"name","type":"string"}]}},{"name":"main","type":"Shop"}]}`,
			fields{"skipped": fields{"name": "x"}, "main": fields{"name": "a"}}, reads[mainOnly](), mainOnly{shop{"a", "CN"}}},
		{"the same name in two namespaces", `{"type":"record","name":"Order","namespace":"a","fields":[
			{"name":"other","type":{"type":"record","name":"Shop","namespace":"b","fields":[]}},
			{"name":"skipped","type":{"type":"record","name":"Shop","fields":[{"name":"name","type":"string"}]}},
			{"name":"main","type":"Shop"}]}`,
			fields{"other": fields{}, "skipped": fields{"name": "x"}, "main": fields{"name": "a"}},
			reads[mainOnly](), mainOnly{shop{"a", "CN"}}},
		{"the writer's types", record(`{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]}},
			{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
			{"name":"total","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
			{"name":"key","type":{"type":"fixed","name":"Key","size":4}},{"name":"note","type":["null","string"]}`),
			fields{"state": "PAID", "at": at, "total": big.NewRat(1999, 100), "key": [4]byte{1, 2, 3, 4}, "note": nil},
			reads[rich](), rich{"PAID", at, big.NewRat(1999, 100), [4]byte{1, 2, 3, 4}, ""}},
		{"nullable record", `["null",` + shopType + `]`, fields{"name": "a"}, reads[*shop](), &shop{"a", "CN"}},
		{"array of records", `{"type":"array","items":` + shopType + `}`, []any{fields{"name": "a"}}, reads[[]shop](), []shop{{"a", "CN"}}},
		{"a string alone", `"string"`, "grüezi", reads[string](), "grüezi"},
		{"a long alone", `"long"`, int64(-3), reads[int64](), int64(-3)},
		{"names that Avro forbids", `{"type":"record","name":"my-order","fields":[{"name":"id","type":"long"}]}`,
			nil, reads[base](), base{7}},
		{"reader's schema", record(`{"name":"id","type":"int"}`), fields{"id": int32(7)},
			reads[map[string]any](avro.Reader(record(`{"name":"id","type":"long"},{"name":"n","type":"int","default":1}`))),
			fields{"id": int64(7), "n": int32(1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := []byte{14} // 7
			if tt.value != nil {
				data = encoded(t, tt.schema, tt.value)
			}
			got, err := tt.read(t, tt.schema, data)
			if err != nil {
				t.Fatal(err)
			}
			if g, ok := got.(rich); ok { // big.Rat has no ==
				if want := tt.want.(rich); g.Total.Cmp(want.Total) == 0 {
					g.Total = want.Total
					got = g
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
}

// What does not fit is said once, by the names of schema, type and field, and with what to do.
func TestWhatDoesNotFit(t *testing.T) {
	type fields = map[string]any
	for _, tt := range []struct {
		name   string
		schema string
		value  any
		read   func(*testing.T, string, []byte) (any, error)
		want   []string
	}{
		{"new field without default", record(`{"name":"x","type":"long"}`), fields{"x": int64(1)}, reads[base](),
			[]string{"[avro_test.base]", "acme.Order", "lacks id", "default=", "avro.Reader"}},
		{"deep", record(`{"name":"main","type":{"type":"record","name":"S","fields":[]}},
			{"name":"other","type":{"type":"array","items":{"type":"record","name":"S2","fields":[]}}},
			{"name":"by","type":{"type":"map","values":{"type":"record","name":"S3","fields":[]}}}`),
			fields{"main": fields{}, "other": []any{}, "by": fields{}}, reads[nested](),
			[]string{"lacks main.name, other[].name, by[].name, which"}},
		{"another type", record(`{"name":"id","type":"string"}`), fields{"id": "x"}, reads[base](), []string{"acme.Order", "id", "string"}},
		{"too large", record(`{"name":"a","type":"int"},{"name":"b","type":"float"}`), fields{"a": int32(300), "b": float32(1)},
			reads[narrow](), []string{"a", "int8"}},
		{"no schema follows", record(`{"name":"id","type":"long"}`), fields{"id": int64(1)},
			reads[anything](), []string{"no Avro schema follows", `field "A"`, "avro.Reader"}},
		{"reader is broken", record(`{"name":"id","type":"long"}`), fields{"id": int64(1)},
			reads[base](avro.Reader("{")), []string{"avro.Reader"}},
		{"reader lacks a field", record(`{"name":"id","type":"long"}`), fields{"id": int64(1)},
			reads[base](avro.Reader(record(``))), []string{"avro.Reader lacks id"}},
		{"reader wants a field", record(``), fields{}, reads[base](avro.Reader(record(`{"name":"id","type":"long"}`))),
			[]string{"acme.Order", "id", "avro.Reader", "default"}},
		{"one record for two types", record(`{"name":"one","type":` + shopType + `},{"name":"two","type":"Shop"}`),
			fields{"one": fields{"name": "a"}, "two": fields{"name": "b"}},
			reads[twoShops](), []string{"two.zip"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.read(t, tt.schema, encoded(t, tt.schema, tt.value))
			if err == nil {
				t.Fatalf("no error, and %#v", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}
