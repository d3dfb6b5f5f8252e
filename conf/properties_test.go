package conf_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weirstream/weir/conf"
)

func TestLoad(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"separators", "a 1\nb=2\nc: 3\nd \t 4\ne = 5\nf : 6\ng\t=7", "a=1 b=2 c=3 d=4 e=5 f=6 g=7"},
		{"only one separator counts", "a==1\nb = = 2\nc :: 3", "a==1 b== 2 c=: 3"},
		// A class path that begins with a colon loses it, in spark-submit too.
		{"a value that begins with a separator", "path  :/usr/lib/*:/opt", "path=/usr/lib/*:/opt"},
		{"comments and blanks", "# a 1\n  ! b 2\n\n \t\n  c 3 # 4", "c=3 # 4"},
		{"no comment is continued", "# a \\\nb 1", "b=1"},
		{"line ends", "a 1\rb 2\r\nc 3\n\rd 4", "a=1 b=2 c=3 d=4"},
		{"continued", "a 1,\\\n   2,\\\r\n\t3\nb 4", "a=1,2,3 b=4"},
		{"a continuing line is no comment", "a 1\\\n#2", "a=1#2"},
		{"a backslash alone", "\\\n# a 1\n\\\nb 2", "b=2"},
		{"a blank line ends a continued one", "a 1\\\n\nb 2", "a=1 b=2"},
		{"continued at the end", "a 1\\", "a=1"},
		{"a name that is continued", "a.\\\n  b 1", "a.b=1"},
		{"backslashes before the end", `a 1\\` + "\nb 2\\\\\\\n3", `a=1\ b=2\3`},
		{"escapes", `a\ b\=\:c x\ty\nz\\\q\"` + "\nk8s:\\/\\/ h", "a b=:c=x\ty\nz\\q\" k8s=// h"},
		{"unicode", `a \u00e4\u4E2d\ud83d\ude00!`, "a=ä中😀!"},
		{"utf-8", "\ufeffä ö", "ä=ö"},
		{"trimmed", "a  1 \t \nb\\ x=2\\u0020", "a=1 b x=2"},
		{"control characters", "a \x00\x1f1\x07\nb \\n2\\r", "a=1 b=\n2\r"},
		{"no value", "a\nb =\nc:\nd  ", "a= b= c= d="},
		{"last wins", "a 1\na 2", "a=2"},
		{"empty", "", ""},
	} {
		c, err := conf.Load(strings.NewReader(test.text), "f.conf")
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := collect(c); got != test.want {
			t.Errorf("%s: %q\n got %q\nwant %q", test.name, test.text, got, test.want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a 1\n= 2\n: 3",
			"f.conf:2: there is no name before the value\nf.conf:3: there is no name before the value"},
		{"a \\u12", `f.conf:1: a: \u must be followed by four hexadecimal digits`},
		{"a \\u12G4", `f.conf:1: a: \u must be followed by four hexadecimal digits`},
		{"a \\u+123", `f.conf:1: a: \u must be followed by four hexadecimal digits`},
		{"\n\na \\\n \\ud83d", `f.conf:3: a: a \u escape is half of a pair whose other half is missing`},
		{"a \\ude00\\ud83d", `f.conf:1: a: a \u escape is half of a pair whose other half is missing`},
		{"a \\ud83d\\u1", `f.conf:1: a: \u must be followed by four hexadecimal digits`},
		{"a \xff\x00\nb 1\n\xfe 1", "f.conf:1: a: the line is not UTF-8\nf.conf:3: the line is not UTF-8"},
	} {
		c, err := conf.Load(strings.NewReader(test.text), "f.conf")
		if c != nil || message(err) != test.want {
			t.Errorf("%q:\n got %v\nwant %s", test.text, err, test.want)
		}
	}
	failed := errors.New("cable cut")
	if _, err := conf.Load(iotest.ErrReader(failed), "f.conf"); !errors.Is(err, failed) ||
		message(err) != "read properties f.conf: cable cut" {
		t.Errorf("a failed read gives %v", err)
	}
	if _, err := conf.Load(endless{}, "f.conf"); message(err) !=
		"read properties f.conf: larger than 16m, which no file of settings is" {
		t.Errorf("a file without an end gives %v", err)
	}
}

// endless is a file that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

var _ io.Reader = endless{}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.conf")
	if _, err := conf.LoadFile(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file gives %v", err)
	}
	if err := os.WriteFile(path, []byte("\nspark.task.maxFailures many"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := conf.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := path + ":2: spark.task.maxFailures=many: must be a whole number; the default is 4"
	if got := message(c.Validate()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// Whatever a file holds, nothing panics, and what was loaded is loaded again from its escaped form.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "a 1", "a=\\\n b\\u0041\\",
		"#x\n!y\r\n\\ :\\=", "spark.master sc://h:1/;token=x", "a\\ud83d\\ude00 \xff",
		"spark.redaction.regex (", "spark.streaming.x y\nspark.task.maxFailures -1", ":=\\\\\\\n\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := conf.Load(strings.NewReader(text), "f")
		if err != nil {
			return
		}
		var b strings.Builder
		for name, value := range c.All() {
			b.WriteString(escape(name) + "=" + escape(value) + "\n")
		}
		again, err := conf.Load(strings.NewReader(b.String()), "f")
		if err != nil || collect(again) != collect(c) {
			t.Errorf("%q became %q, then %q: %v", text, collect(c), collect(again), err)
		}
		_ = c.Validate()
		if strings.Contains(c.Summary(), "\n") {
			t.Errorf("the summary has more than one line: %q", c.Summary())
		}
		_ = c.String()
	})
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, " ", `\ `, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\f", `\f`,
		"=", `\=`, ":", `\:`, "#", `\#`, "!", `\!`, "\ufeff", `\ufeff`).Replace(s)
}
