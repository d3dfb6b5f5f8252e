package rdd_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirstream/weir/rdd"
)

// scratch makes a directory for an example.
func scratch() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "weir-example-")
	if err != nil {
		panic(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

func ExampleTextFile() {
	dir, remove := scratch()
	defer remove()
	_ = os.WriteFile(filepath.Join(dir, "a.txt"), []byte("to be or\nnot to be\n"), 0o600)
	print(rdd.FlatMap(rdd.TextFile(local(), dir), strings.FieldsSeq))
	// Output: [to be or not to be] <nil>
}

func ExampleWholeTextFiles() {
	dir, remove := scratch()
	defer remove()
	_ = os.WriteFile(filepath.Join(dir, "a.txt"), []byte("to be\n"), 0o600)
	print(rdd.Map(rdd.WholeTextFiles(local(), dir), func(f rdd.Pair[string, string]) string {
		return fmt.Sprintf("%s: %q", filepath.Base(f.Key), f.Value)
	}))
	// Output: [a.txt: "to be\n"] <nil>
}

func ExampleBinaryFiles() {
	dir, remove := scratch()
	defer remove()
	_ = os.WriteFile(filepath.Join(dir, "a.bin"), []byte{1, 2, 3}, 0o600)
	sc := local()
	files, err := rdd.Collect(context.Background(), rdd.Values(rdd.BinaryFiles(sc, dir)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(files[0].Length)
	fmt.Println(files[0].Bytes(context.Background(), sc))
	// Output:
	// 3
	// [1 2 3] <nil>
}

func ExampleBinaryRecords() {
	dir, remove := scratch()
	defer remove()
	_ = os.WriteFile(filepath.Join(dir, "a.bin"), []byte{1, 2, 3, 4}, 0o600)
	print(rdd.BinaryRecords(local(), dir, 2))
	// Output: [[1 2] [3 4]] <nil>
}

func ExampleSaveAsTextFile() {
	dir, remove := scratch()
	defer remove()
	sc := local()
	out := filepath.ToSlash(dir) + "/fruit"
	fmt.Println(rdd.SaveAsTextFile(context.Background(), rdd.Parallelize(sc, fruit, 2), out, rdd.Compressed(rdd.Gzip)))
	entries, _ := os.ReadDir(out)
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	print(rdd.TextFile(sc, out))
	// Output:
	// <nil>
	// _SUCCESS
	// part-00000.gz
	// part-00001.gz
	// [(apple,3) (pear,1) (apple,4)] <nil>
}

func ExampleSaveAsObjectFile() {
	dir, remove := scratch()
	defer remove()
	sc := local()
	out := filepath.ToSlash(dir) + "/fruit"
	fmt.Println(rdd.SaveAsObjectFile(context.Background(), rdd.Parallelize(sc, fruit, 2), out))
	print(rdd.ObjectFile[rdd.Pair[string, int]](sc, out))
	// Output:
	// <nil>
	// [(apple,3) (pear,1) (apple,4)] <nil>
}
