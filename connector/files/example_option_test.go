package files_test

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/weirstream/weir/connector/files"
	"github.com/weirstream/weir/dstream"
)

// Files with one ending only, also those that are there already.
func ExampleWithFilter() {
	show("to be\n", func(ssc *dstream.Context, dir string) *dstream.DStream[string] {
		_ = os.WriteFile(filepath.Join(dir, "a.txt"), []byte("or not\n"), 0o600)
		return files.TextStream(ssc, dir, files.NewFilesOnly(false),
			files.WithFilter(func(path string) bool { return strings.HasSuffix(path, ".txt") }))
	})
	// Output: [or not]
}

func ExampleRecursive() {
	show("to be\n", func(ssc *dstream.Context, dir string) *dstream.DStream[string] {
		_ = os.Mkdir(filepath.Join(dir, "below"), 0o700)
		_ = os.WriteFile(filepath.Join(dir, "below", "a.txt"), []byte("or not\n"), 0o600)
		return dstream.Filter(files.TextStream(ssc, dir, files.NewFilesOnly(false), files.Recursive()),
			func(line string) bool { return line != "to be" })
	})
	// Output: [or not]
}
