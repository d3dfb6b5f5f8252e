package protobuf

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/weirstream/weir/connector/kafka/registry"
)

// A layout says where in a registry's schema a message stands.
type layout struct {
	id    int
	pkg   string
	types []*descriptorpb.DescriptorProto
	// paths are the ways in which writers count to the message: Java's first. They are none if the
	// schema does not define it.
	paths [][]int
}

// newLayout finds a message in a schema. Imports are not needed for it: what they define stands in
// other files, and so never in this one's paths.
func newLayout(s registry.Schema, name protoreflect.FullName) (*layout, error) {
	if s.Type != registry.Protobuf {
		instead := "kafka.Bytes and a decoder of your own"
		if s.Type == registry.Avro {
			instead = "avro.Registry"
		}
		return nil, fmt.Errorf("schema id %d is %s, not Protobuf: read the topic with %s", s.ID, s.Type, instead)
	}
	file, err := parseFile(s.Text)
	if err != nil {
		return nil, fmt.Errorf("schema id %d: %w", s.ID, err)
	}
	l := &layout{id: s.ID, pkg: file.GetPackage(), types: file.GetMessageType()}
	local, ok := string(name), true
	if l.pkg != "" {
		local, ok = strings.CutPrefix(local, l.pkg+".")
	}
	if !ok {
		return l, nil
	}
	// Writers differ in how they count the messages within a message. Each map field has one that
	// protoc makes for it; Java passes over those, Go and Python count them.
	parts := strings.Split(local, ".")
	for _, countMaps := range []bool{false, true} {
		path := pathTo(l.types, parts, countMaps)
		if path != nil && !slices.ContainsFunc(l.paths, func(p []int) bool { return slices.Equal(p, path) }) {
			l.paths = append(l.paths, path)
		}
	}
	return l, nil
}

// parseFile reads a .proto file, or a file descriptor in base64, as which some registries hand a
// schema back that was registered so.
func parseFile(text string) (*descriptorpb.FileDescriptorProto, error) {
	if binary, err := base64.StdEncoding.DecodeString(text); err == nil && text != "" {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(binary, file); err != nil {
			return nil, fmt.Errorf("the schema is neither a .proto file nor a descriptor: %w", err)
		}
		return file, nil
	}
	file, err := parseText(text)
	if err != nil {
		return nil, fmt.Errorf("the schema is no .proto file: %w", err)
	}
	return file, nil
}

// nestingMax bounds the brackets that may be open at a time. The parser's stack grows with them, and a
// stack that is too deep ends the process, which no recover prevents.
const nestingMax = 10_000

func parseText(text string) (file *descriptorpb.FileDescriptorProto, err error) {
	// The parser panics on some malformed texts (a string that is not UTF-8 at the very front is one),
	// and a registry is somebody else's program.
	defer func() {
		if cause := recover(); cause != nil {
			file, err = nil, fmt.Errorf("it is malformed, and the parser failed on it: %v", cause)
		}
	}()
	open := 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[', '<', '(':
			open++
		case '}', ']', '>', ')':
			open = max(open-1, 0)
		}
		if open > nestingMax {
			return nil, fmt.Errorf("more than %d brackets are open at a time", nestingMax)
		}
	}
	handler := reporter.NewHandler(nil)
	tree, err := parser.Parse("schema.proto", strings.NewReader(text), handler)
	if err != nil {
		return nil, err
	}
	result, err := parser.ResultFromAST(tree, false, handler)
	if err != nil {
		return nil, err
	}
	return result.FileDescriptorProto(), nil
}

// pathTo counts to a message by the parts of its name, and is nil if it is not there.
func pathTo(types []*descriptorpb.DescriptorProto, parts []string, countMaps bool) []int {
	var path []int
	for _, part := range parts {
		index, found := 0, false
		for _, t := range types {
			if isMap(t) && !countMaps {
				continue
			}
			if found = t.GetName() == part; found {
				path, types = append(path, index), t.GetNestedType()
				break
			}
			index++
		}
		if !found {
			return nil
		}
	}
	return path
}

func isMap(t *descriptorpb.DescriptorProto) bool { return t.GetOptions().GetMapEntry() }

// check says what is wrong with a record that is the message at path, or nil if that is the message
// which is read.
func (l *layout) check(path []int, name protoreflect.FullName) error {
	for _, p := range l.paths {
		if slices.Equal(p, path) {
			return nil
		}
	}
	shown := slices.Clone(path) // what is printed goes to the heap, where the caller's path need not be
	if len(l.paths) == 0 {
		return fmt.Errorf("schema id %d defines no message %s, but %s: read the topic with the type of what is in it",
			l.id, name, l.names())
	}
	other := l.at(path)
	if other == "" {
		return fmt.Errorf("the record says that it is message %v of schema id %d, which defines no such message: "+
			"it was written by another serializer, or with another registry", shown, l.id)
	}
	return fmt.Errorf("the record is a %s (message %v of schema id %d), not a %s: the topic holds several types of "+
		"messages; read it with kafka.Bytes, and filter", other, shown, l.id, name)
}

// at is the full name of the message at a path, counted as Java does, or "" if there is none.
func (l *layout) at(path []int) string {
	name, types := l.pkg, l.types
	for _, index := range path {
		types = slices.DeleteFunc(slices.Clone(types), isMap)
		if index >= len(types) {
			return ""
		}
		name = strings.TrimPrefix(name+"."+types[index].GetName(), ".")
		types = types[index].GetNestedType()
	}
	return name
}

// names lists the schema's outer messages, the first few of them.
func (l *layout) names() string {
	const most = 5
	if len(l.types) == 0 {
		return "no message at all"
	}
	var names []string
	for i := range l.types[:min(len(l.types), most)] {
		names = append(names, l.at([]int{i}))
	}
	if len(l.types) > most {
		names = append(names, fmt.Sprintf("and %d more", len(l.types)-most))
	}
	return strings.Join(names, ", ")
}
