package ui_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/ui"
)

// A service mounts the page of its program beside its own.
func ExampleNew() {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local").Set("spark.app.name", "words"),
		10*time.Millisecond)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/words/", http.StripPrefix("/words", ui.New(ssc))) // before Start, to hear of all that happens

	ssc.SetOutput(io.Discard)
	dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue([]string{"weir"})).Named("lines"), 10).Named("shown")
	if err := ssc.Start(context.Background()); err != nil {
		panic(err)
	}
	page := httptest.NewRecorder() // in a service: http.Server
	mux.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/words/streaming/", nil))
	for _, text := range []string{"<h1>words</h1>", "<td>shown</td>", "lines: at-least-once as long as the process lives"} {
		fmt.Println(strings.Contains(page.Body.String(), text))
	}
	fmt.Println(ssc.Stop(context.Background()))
	// Output:
	// true
	// true
	// true
	// <nil>
}
