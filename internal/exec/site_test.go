package exec

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
)

type nested struct{ Next any }

// MarshalJSON panics below many frames of package json.
func (d nested) MarshalJSON() ([]byte, error) {
	if d.Next == nil {
		panic("at the bottom")
	}
	return json.Marshal(d.Next)
}

// TestSiteOfAPanic: what panics in the standard library panics where the user's code called it.
func TestSiteOfAPanic(t *testing.T) {
	chain := any(nested{})
	for range 20 {
		chain = nested{chain}
	}
	for name, tt := range map[string]struct {
		f            func()
		text, method string
	}{
		"regexp":          {func() { regexp.MustCompile(strings.Repeat("(", 1)) }, "error parsing regexp", "TestSiteOfAPanic"},
		"strings":         {func() { _ = strings.Repeat("x", -1) }, "negative Repeat count", "TestSiteOfAPanic"},
		"index":           {func() { _ = []int{}[len(name(t))] }, "index out of range", "TestSiteOfAPanic"},
		"below json":      {func() { _, _ = json.Marshal(chain) }, "at the bottom", "nested.MarshalJSON"},
		"a nil in a call": {func() { _ = (*regexp.Regexp)(nil).MatchString("x") }, "nil pointer", "TestSiteOfAPanic"},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := (&Task{Context: ctx, cancel: cancel}).attempt(func(*Task) (any, error) { tt.f(); return nil, nil })
		got, ok := errors.AsType[*PanicError](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(got.Error(), "panic at site_test.go:") || !strings.Contains(got.Error(), tt.text) ||
			!strings.Contains(got.Site.Function, tt.method) || !strings.Contains(string(got.Stack), "site_test.go:") {
			t.Errorf("%s: %v in %s, stack\n%s", name, got, got.Site.Function, got.Stack)
		}
	}
}

func name(t *testing.T) string { return t.Name() }

// TestStandardLibrary: with and without the folders of files.
func TestStandardLibrary(t *testing.T) {
	full := library{root: "/usr/go/src/"}
	trimmed := library{modules: []string{"", "wordcount", "example.org/job", "local/dep"}}
	for _, tt := range []struct {
		function, folder string
		want             bool
	}{
		{"regexp.MustCompile", "regexp", true},
		{"encoding/json.(*Decoder).Decode", "encoding/json", true},
		{"vendor/golang.org/x/net/idna.ToASCII", "vendor/golang.org/x/net/idna", true},
		{"slices.SortFunc[...]", "slices", true},
		{"main.main.func1", "wordcount", false},
		{"wordcount/count.Words", "wordcount/count", false},
		{"wordcount.Words", "wordcount", false},
		{"local/dep.F", "local/dep", false},
		{"example.org/job.F", "example.org/job", false},
		{"gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml.v3@v3.0.1", false},
	} {
		folder := "/src/of/jobs/" + tt.folder
		if tt.want {
			folder = full.root + tt.folder
		}
		if got := full.has(tt.function, folder+"/f.go"); got != tt.want {
			t.Errorf("%s in %s: %v", tt.function, folder, got)
		}
		if got := trimmed.has(tt.function, tt.folder+"/f.go"); got != tt.want {
			t.Errorf("%s in a trimmed binary: %v", tt.function, got)
		}
	}
	if l := standard(); l.root == "" || !strings.HasSuffix(l.root, "/src/") {
		t.Errorf("the library of this test lies in %q", l.root)
	}
}
