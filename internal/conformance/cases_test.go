package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var folder = flag.String("conformance", "testdata", "the folder of the cases")

// casesOf reads a file of the flag's folder.
func casesOf[C any](t *testing.T, name string) []C {
	t.Helper()
	dir := *folder
	if _, err := os.Stat(dir); err != nil && !filepath.IsAbs(dir) {
		dir = filepath.Join("..", "..", dir) // Tests run in the folder of their package, and not where go test was called.
	}
	cases, err := readCases[C](dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// readCases reads a file of cases; numbers are kept as they are written.
func readCases[C any](dir, name string) (cases []C, err error) {
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: the folder that -conformance names must hold rdd.json and dstream.json", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err = d.Decode(&cases); err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows the list of cases")
		}
	}
	if err != nil {
		line := 1 + bytes.Count(data[:faultAt(err, d, data)], []byte("\n"))
		return nil, fmt.Errorf("%s, line %d: %w: it must be a list of cases, as in testdata/%s", path, line, err, name)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%s holds no cases", path)
	}
	return cases, nil
}

// faultAt is how far a decoder came.
func faultAt(err error, d *json.Decoder, data []byte) int {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at := d.InputOffset()
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	case errors.Is(err, io.ErrUnexpectedEOF):
		at = int64(len(data))
	}
	return int(min(at, int64(len(data))))
}

// TestBadFolders are told by path and line.
func TestBadFolders(t *testing.T) {
	const good = `[
{"name":"glom#0","a":[1],"output":[[1]]}
]`
	for name, tt := range map[string]struct{ data, want string }{
		"no file":       {"", "no such file or directory: the folder that -conformance names must hold"},
		"cut":           {good[:30], "rdd.json, line 2: unexpected EOF: it must be a list of cases"},
		"no JSON":       {"[\n{},\n{name}]", "rdd.json, line 3: invalid character 'n'"},
		"another type":  {strings.Replace(good, "[1]", "[1.5]", 1), "rdd.json, line 2: json: cannot unmarshal number 1.5"},
		"no list":       {"{}", "rdd.json, line 1: json: cannot unmarshal object"},
		"more than one": {good + good, "rdd.json, line 3: something follows the list of cases"},
		"no cases":      {"[]", "rdd.json holds no cases"},
		"whole":         {good, ""},
	} {
		dir := t.TempDir()
		if tt.data != "" {
			if err := os.WriteFile(filepath.Join(dir, "rdd.json"), []byte(tt.data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cases, err := readCases[rddCase](dir, "rdd.json")
		switch {
		case tt.want == "" && (err != nil || len(cases) != 1):
			t.Errorf("%s: %v, %v", name, cases, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) ||
			!strings.Contains(err.Error(), dir)):
			t.Errorf("%s: %v, want an error with %q", name, err, tt.want)
		}
	}
}
