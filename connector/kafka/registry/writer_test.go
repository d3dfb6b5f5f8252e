package registry_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirstream/weir/connector/kafka/registry"
	"github.com/weirstream/weir/connector/kafka/registry/registrytest"
)

var order = registry.Definition{Type: registry.Avro, Text: orderSchema, Record: "Order"}

const newerSchema = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"n","type":"int"}]}`

func TestWriterFollowsTheSettings(t *testing.T) {
	const auto, last = "auto.register.schemas", "use.latest.version"
	for _, tt := range []struct {
		name     string
		settings []string
		isKey    bool
		requests []string
		text     string
		err      []string
	}{
		{"registers by default", nil, false, []string{"POST /subjects/t-value/versions"}, orderSchema, nil},
		{"keys", nil, true, []string{"POST /subjects/t-key/versions"}, orderSchema, nil},
		{"registering goes before the latest", []string{last, "true"}, false,
			[]string{"POST /subjects/t-value/versions"}, orderSchema, nil},
		{"looks up", []string{auto, "false"}, false, []string{"POST /subjects/t-value"}, orderSchema, nil},
		{"takes the latest", []string{auto, "false", last, "true"}, false,
			[]string{"GET /subjects/t-value/versions/latest"}, newerSchema, nil},
		{"latest of nothing", []string{auto, "false", last, "true"}, true, []string{"GET /subjects/t-key/versions/latest"}, "",
			[]string{"subject t-key, latest version", "40401", "register a schema under the subject"}},
		{"looks up nothing", []string{auto, "false"}, true, []string{"POST /subjects/t-key"}, "",
			[]string{"subject t-key", "40401", "auto.register.schemas=true"}},
		{"by record", []string{"value.subject.name.strategy", "RecordNameStrategy"}, false,
			[]string{"POST /subjects/Order/versions"}, orderSchema, nil},
		{"by topic and record", []string{"key.subject.name.strategy",
			"io.confluent.kafka.serializers.subject.TopicRecordNameStrategy"}, true,
			[]string{"POST /subjects/t-Order/versions"}, orderSchema, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := registrytest.Start(t)
			reg.Register("t-value", "AVRO", orderSchema)
			reg.Register("t-value", "AVRO", newerSchema)
			w := client(t, reg, tt.settings...).Writer(order)
			var got registry.Schema
			var err error
			for range 3 { // asks once
				if got, err = w.Schema(t.Context(), "t", tt.isKey); err != nil {
					break
				}
			}
			if tt.err != nil {
				wantText(t, err, tt.err...)
			} else if err != nil || got.Text != tt.text || got.ID == 0 {
				t.Errorf("got %+v, %v", got, err)
			}
			if got := reg.Requests(); !slices.Equal(got, tt.requests) {
				t.Errorf("asked %q, want %q", got, tt.requests)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	reg := registrytest.Start(t)
	reg.Register("t-value", "PROTOBUF", `syntax = "proto3";`)
	unnamed := registry.Definition{Type: registry.Avro, Text: `"string"`}
	_, err := client(t, reg, "value.subject.name.strategy", "RecordNameStrategy").Writer(unnamed).Schema(t.Context(), "t", false)
	wantText(t, err, "topic t", "value.subject.name.strategy", "TopicNameStrategy")

	latest := client(t, reg, "auto.register.schemas", "false", "use.latest.version", "true")
	_, err = latest.Writer(order).Schema(t.Context(), "t", false)
	wantText(t, err, "subject t-value is PROTOBUF", "AVRO")

	bad := registry.Definition{Type: registry.Avro, Text: `{`}
	_, err = client(t, reg).Writer(bad).Schema(t.Context(), "t", false)
	wantText(t, err, "registering a schema under subject t-value", "42201", "Invalid schema")

	reg.Fault(func(*http.Request) http.HandlerFunc { return registrytest.Refuse(409, 409, "field n has no default") })
	_, err = client(t, reg).Writer(order).Schema(t.Context(), "t", false)
	wantText(t, err, "HTTP 409", "field n has no default", "compatibility")
	if e, ok := errors.AsType[*registry.Error](err); !ok || e.Status != 409 {
		t.Errorf("got %#v", err)
	}
}

func TestWriterPlacesImportsFirst(t *testing.T) {
	file := func(text string, imports ...registry.Import) registry.Definition {
		return registry.Definition{Type: registry.Protobuf, Text: text, Record: "x", Imports: imports}
	}
	money := registry.Import{Path: "acme/money.proto", Definition: file("money")}
	tax := registry.Import{Path: "tax.proto", Definition: file("tax", money)}
	top := file("order", tax, money)
	want := []registry.Reference{{Name: "tax.proto", Subject: "tax.proto", Version: 1},
		{Name: "acme/money.proto", Subject: "acme/money.proto", Version: 1}}

	reg := registrytest.Start(t)
	s, err := client(t, reg).Writer(top).Schema(t.Context(), "t", false)
	if err != nil || !slices.Equal(s.References, want) {
		t.Fatalf("got %+v, %v", s, err)
	}
	if got := reg.Requests()[0]; got != "POST /subjects/acme%2Fmoney.proto/versions" {
		t.Errorf("the first request was %s", got)
	}
	// What was registered can be looked up, and refers to what it refers to.
	looked, err := client(t, reg, "auto.register.schemas", "false").Writer(top).Schema(t.Context(), "t", false)
	if err != nil || looked.ID != s.ID || !slices.Equal(looked.References, want) {
		t.Errorf("looked up %+v, %v, want id %d", looked, err, s.ID)
	}
	found, err := client(t, reg).Schema(t.Context(), registry.Ref{ID: s.ID})
	if err != nil || !slices.Equal(found.References, want) {
		t.Errorf("found %+v, %v", found, err)
	}
	// A missing import is named.
	reg = registrytest.Start(t)
	_, err = client(t, reg, "auto.register.schemas", "false").Writer(top).Schema(t.Context(), "t", false)
	wantText(t, err, "import tax.proto: import acme/money.proto:", "40401")
}

func TestNormalizeIsAsked(t *testing.T) {
	reg := registrytest.Start(t)
	var query []string
	var mu sync.Mutex
	reg.Fault(func(r *http.Request) http.HandlerFunc {
		mu.Lock()
		defer mu.Unlock()
		query = append(query, r.URL.RawQuery)
		return nil
	})
	if _, err := client(t, reg, "normalize.schemas", "true").Writer(order).Schema(t.Context(), "t", false); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(query, []string{"normalize=true"}) {
		t.Errorf("asked %q", query)
	}
}

func TestManyTasksRegisterOnce(t *testing.T) {
	reg := registrytest.Start(t)
	w := client(t, reg).Writer(order)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			topic := "t" + strings.Repeat("x", i%4)
			if s, err := w.Schema(context.Background(), topic, i%2 == 0); err != nil || s.ID != 1 {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
	wg.Wait()
	if n := len(reg.Requests()); n != 4 {
		t.Errorf("%d requests for 4 halves of topics", n)
	}
}
