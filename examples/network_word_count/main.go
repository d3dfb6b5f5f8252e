// Network_word_count counts the words of each second that a TCP server sends.
//
//	nc -lk 9999 &
//	ADDRESS=localhost:9999 go run ./examples/network_word_count --master 'local[2]'
package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/connector/socket"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func main() {
	weir.Main("NetworkWordCount", build(cmp.Or(os.Getenv("ADDRESS"), "localhost:9999")))
}

func build(address string, opts ...socket.Option) weir.Build {
	return func(ssc *dstream.Context) error {
		host, text, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("the port of %s is no number", address)
		}
		lines := socket.TextStream(ssc, host, port, opts...)
		words := dstream.FlatMap(lines, strings.FieldsSeq)
		ones := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
		dstream.Print(dstream.ReduceByKey(ones, func(a, b int) int { return a + b }), 10)
		return nil
	}
}
