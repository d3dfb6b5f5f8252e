package weir_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/ui"
)

// Run opens no port: a service mounts the page of the program in a server of its own.
func ExampleRun_page() {
	ctx, shutdown := context.WithCancel(context.Background())
	defer shutdown()
	pages := http.NewServeMux() // in a service: what its http.Server serves, behind what it does about access

	build := func(ssc *dstream.Context) error {
		pages.Handle("/jobs/words/", http.StripPrefix("/jobs/words", ui.New(ssc)))
		words := dstream.QueueStream(ssc, dstream.NewQueue([]string{"weir", "flow"})).Named("words")
		dstream.Foreach(words, func(word string) error {
			if word == "flow" {
				shutdown() // in a service: when it is asked to end
			}
			return nil
		})
		return nil
	}
	err := weir.Run(ctx, build, weir.Interval(10*time.Millisecond), weir.Output(io.Discard),
		weir.Conf(conf.New().Set("spark.master", "local").Set("spark.app.name", "words")))
	metrics := httptest.NewRecorder()
	pages.ServeHTTP(metrics, httptest.NewRequest(http.MethodGet, "/jobs/words/metrics", nil))
	for line := range strings.Lines(metrics.Body.String()) {
		if strings.HasPrefix(line, "weir_streaming_input_records_total") {
			fmt.Print(line)
		}
	}
	fmt.Println("ended:", err)
	// Output:
	// weir_streaming_input_records_total{input="words"} 2
	// ended: <nil>
}
