package protobuf

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/weirstream/weir/connector/kafka/registry"
)

// The paths within a schema, by Java's way of counting and, where it differs, by Go's.
func TestLayout(t *testing.T) {
	for _, tt := range []struct {
		name, text, message string
		want                [][]int
	}{
		{"first", `syntax = "proto3"; package a; message M {}`, "a.M", [][]int{{0}}},
		{"without package", `syntax = "proto3"; message M { message N {} }`, "M.N", [][]int{{0, 0}}},
		{"another package", `syntax = "proto3"; package b; message M {}`, "a.M", nil},
		{"package that is a prefix", `syntax = "proto3"; package a.b; message M {}`, "a.bM", nil},
		{"behind an enum and a service", `syntax = "proto3"; package a; enum E { X = 0; } message L {} service S {} message M {}`,
			"a.M", [][]int{{1}}},
		{"a group counts", `syntax = "proto2"; message M { optional group G = 1 {} message N {} }`, "M.N", [][]int{{0, 1}}},
		{"maps on two levels", `syntax = "proto3"; message M { map<int32, int32> a = 1; message N { map<int32, int32> b = 1;
			message O {} } }`, "M.N.O", [][]int{{0, 0, 0}, {0, 1, 1}}},
		{"behind its map", `syntax = "proto3"; message M { message N {} map<int32, int32> a = 1; }`, "M.N", [][]int{{0, 0}}},
		{"edition", `edition = "2023"; package a; message M {}`, "a.M", [][]int{{0}}},
		{"descriptor", base64.StdEncoding.EncodeToString([]byte("\x0a\x01f\x12\x01a\x22\x03\x0a\x01M")), "a.M", [][]int{{0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registry.Schema{ID: 1, Type: registry.Protobuf, Text: tt.text}
			l, err := newLayout(s, protoreflect.FullName(tt.message))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(l.paths, tt.want, slices.Equal[[]int]) {
				t.Errorf("%s is at %v, want %v", tt.message, l.paths, tt.want)
			}
		})
	}
}

// Whatever the text of a schema: an error or a layout, and no panic.
func FuzzLayout(f *testing.F) {
	f.Add(`syntax = "proto3"; package a; message M { map<int32, int32> a = 1; message N {} }`, "a.M.N")
	f.Add(`edition = "2023"; message M { extensions 4 to max; }`, "M")
	f.Add(`syntax = "proto2"; message M { optional group G = 1 {} oneof o { int32 x = 2; } }`, "M.G")
	f.Add("CgFmEgFhIgMKAU0=", "a.M")
	f.Add("\"\\\xa9\xa9\xa9\xa9jjjj\xa9\\\xa9", "M") // the parser panics
	f.Add(strings.Repeat("message M {", 20_000), "M")
	f.Add("message \x00 { option (a).b = { c: [1] }; }", "")
	f.Fuzz(func(t *testing.T, text, message string) {
		l, err := newLayout(registry.Schema{ID: 1, Type: registry.Protobuf, Text: text}, protoreflect.FullName(message))
		if err != nil {
			return
		}
		for _, path := range append(l.paths, []int{0}, []int{3, 1}) {
			_ = l.check(path, protoreflect.FullName(message))
		}
		if len(l.paths) > 0 && l.at(l.paths[0]) != message {
			t.Errorf("%s is found at %v, where %s stands", message, l.paths[0], l.at(l.paths[0]))
		}
	})
}
