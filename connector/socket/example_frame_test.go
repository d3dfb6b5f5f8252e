package socket_test

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/weirstream/weir/connector/socket"
	"github.com/weirstream/weir/dstream"
)

// A converter reads what a server sends: here words, and no lines.
func ExampleStream() {
	words := func(r io.Reader) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for line, err := range socket.Lines(r, 1<<20) {
				for word := range strings.FieldsSeq(line) {
					if !yield(word, nil) {
						return
					}
				}
				if err != nil {
					yield("", err)
					return
				}
			}
		}
	}
	port := listening([]byte("to be\n"))
	print(func(ssc *dstream.Context) *dstream.DStream[string] {
		return socket.Stream(ssc, "127.0.0.1", port, words)
	}, func() {})
	// Output:
	// to
	// be
}

// What RawStream reads: a frame is its length and any number of encoded elements.
func ExampleAppendFrame() {
	data, err := socket.AppendFrame(nil, "to", "be")
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err = socket.AppendFrame(data, "or not")
	fmt.Printf("%q %v\n", data, err)
	for words, err := range socket.Frames[string](bytes.NewReader(data), 1<<20) {
		fmt.Printf("%q %v\n", words, err)
	}
	// Output:
	// "\x00\x00\x00\x06\x02to\x02be\x00\x00\x00\a\x06or not" <nil>
	// ["to" "be"] <nil>
	// ["or not"] <nil>
}

func ExampleLines() {
	for line, err := range socket.Lines(strings.NewReader("to be\r\nor not"), 100) {
		fmt.Printf("%q %v\n", line, err)
	}
	// Output:
	// "to be" <nil>
	// "or not" <nil>
}
