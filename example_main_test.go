package weir_test

import (
	"flag"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/dstream"
)

// A program is a build function and this line. Flags of its own stand beside weir's.
func ExampleMain() {
	var topic string
	build := func(ssc *dstream.Context) error {
		lines := dstream.QueueStream(ssc, dstream.NewQueue([]string{topic})) // mostly kafka.DirectStream
		dstream.Print(lines, 10)
		return nil
	}
	main := func() {
		weir.Main("wordcount", build, weir.Flags(func(f *flag.FlagSet) {
			f.StringVar(&topic, "topic", "lines", "the topic whose words are counted")
		}))
	}
	_ = main
}
