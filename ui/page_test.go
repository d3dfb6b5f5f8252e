package ui_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/ui"
)

// textOf reads a page, as a browser that knows no script, and gives what there is to read: the texts of elements in a
// line each. It is an error if elements are not ended in order.
func textOf(page string) (string, error) {
	d := xml.NewDecoder(strings.NewReader(page))
	var text []string
	hidden := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			return strings.Join(text, "\n"), nil
		}
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.StartElement:
			switch token.Name.Local {
			case "style":
				hidden++
			case "script", "img", "link", "iframe", "object":
				return "", fmt.Errorf("there is a %s", token.Name.Local)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "style" || a.Name.Local == "src" {
					return "", fmt.Errorf("there is %s=%q", a.Name.Local, a.Value)
				}
			}
		case xml.EndElement:
			if token.Name.Local == "style" {
				hidden--
			}
		case xml.CharData:
			if line := strings.TrimSpace(string(token)); line != "" && hidden == 0 {
				text = append(text, line)
			}
		}
	}
}

// read asks for a page and gives what there is to read.
func (p *program) read(t *testing.T, path string) string {
	t.Helper()
	code, body, head := p.get(t, path)
	text, err := textOf(body)
	if err != nil || code != http.StatusOK || head.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("GET %s: %d, %v\n%s", path, code, err, body)
	}
	return text
}

// says tells whether a page has texts in this order.
func says(t *testing.T, page string, want ...string) {
	t.Helper()
	rest := page
	for _, w := range want {
		_, after, ok := strings.Cut(rest, w)
		if !ok {
			t.Fatalf("there is no %q, or not behind what is to come before it, in\n%s", w, page)
		}
		rest = after
	}
}

// TestStreamingPage shows what Spark's tab shows, and what it does not.
func TestStreamingPage(t *testing.T) {
	in(t, 4100*time.Millisecond, func(t *testing.T, p *program) {
		says(t, p.read(t, "/streaming/"), "counts "+hostile, "Running batches of\n1.0 s\nfor\n4.1 s\nsince\n"+
			"2000/01/01 00:00:00.000 UTC\n(\n3\ncompleted batches,\n3\nrecords)",
			"Batches That Were Given Up (1)", "2000/01/01 00:00:03.000\n2\nbatch 2 (946684803000 ms): output loud",
			"3 is poison "+hostile+"\nshelf, "+hostile+"\nloud",
			"Outputs", "shelf\nwriteTo\nprogram_test.go:", "exactly-once: the sink stores each batch together with its "+
				"identity\nplans, commits and state are in the checkpoint ", "is given up with its records",
			hostile+"\nforeachRDD", "at-least-once: a batch whose process dies is run again", "loud\nforeach",
			"Inputs", "ones\nones\nprogram_test.go:", "-\nrecord 4\n"+hostile+"\n7\n1000000.00 records/s\n"+
				"weir.streaming.firstBatchRecords, until batches were seen to be processed faster\n-\n-",
			"Timelines (Last 4 batches, 1 active, 3 completed)", "Input Rate\nAvg: 1.00 records/s\nones\nAvg: 1.00 records/s",
			"00:00:04: 1.00 records/s", "Scheduling Delay\nAvg: 0.0 ms", "Processing Time\nAvg: 203 ms",
			"00:00:03: 210 ms", "Total Delay\nAvg: 203 ms", "Commit\nAvg: 0.0 ms",
			"Running Batches (1)", "2000/01/01 00:00:04.000\n1\n0.0 ms\n-\n1/3 (1 running)\nprocessing",
			"Waiting Batches (0)", "Completed Batches (last 3 out of 3)",
			"2000/01/01 00:00:03.000\n1\n0.0 ms\n210 ms\n210 ms\n2/3 (1 failed)\nskipped\nbatch 2",
			"2000/01/01 00:00:02.000\n1\n0.0 ms\n200 ms\n200 ms\n3/3\ncommitted",
			"2000/01/01 00:00:01.000")
	})
}

// TestBatchPage shows what a batch took, and what became of each output.
func TestBatchPage(t *testing.T) {
	in(t, 4100*time.Millisecond, func(t *testing.T, p *program) {
		says(t, p.read(t, "/streaming/batch/?id=946684803000"), "Details of batch at 2000/01/01 00:00:03.000 UTC",
			"Number:\n2\nStatus:\nCOMPLETED\nOutcome:\nskipped\nBatch Duration:\n1.0 s\nInput data size:\n1 records\n"+
				"Scheduling delay:\n0.0 ms\nProcessing time:\n210 ms\nTotal delay:\n210 ms\nCommit:\n-\nbatch 2 (946684803000 ms)",
			"Input Metadata", "ones\n1\nrecord 3\n"+hostile,
			"Output Operations", "0\nshelf at program_test.go:", "0.0 ms\nSucceeded\n0\n0.0 ms\n1/1\n1/1\n1\n",
			hostile+" at program_test.go:", "200 ms\nSucceeded\n0\n0.0 ms\n1/1\n1/1\n2\n", "loud at program_test.go:",
			"Failed due to batch 2", "0/1\n0/1 (1 failed)\nbatch 2", "3 is poison "+hostile)
		says(t, p.read(t, "/streaming/batch/?id=946684804000"), "Status:\nPROCESSING", "Processing time:\n-", "shelf at")
	})
}

// TestStatePage shows the rows of a state, of any version that is kept.
func TestStatePage(t *testing.T) {
	in(t, 4100*time.Millisecond, func(t *testing.T, p *program) {
		says(t, p.read(t, "/streaming/state/"), "States", "sums\nstring\nint64\n2\n0 to 2\n")
		for _, row := range []string{`{"key":"key b","value":1,"touched":"2000-01-01T00:00:01.000Z"}`,
			`{"key":"key a","value":2,"touched":"2000-01-01T00:00:02.000Z"}`} {
			says(t, p.read(t, "/streaming/state/?state=sums&version=&key=&prefix=&limit="), "Rows of sums",
				"As of batch 2 of 2000-01-01T00:00:03.000GMT:", row)
		}
		says(t, p.read(t, "/streaming/state/?state=sums&version=0"), "As of batch 0", `"value":1`)
		says(t, p.read(t, "/streaming/state/?state=sums&limit=1"), "There are more.")
		says(t, p.read(t, "/streaming/state/?state=sums&key=x"), "Rows of sums", "Show", `has no key x as of batch 2`)
		says(t, p.read(t, "/streaming/state/?state="+url.QueryEscape(hostile)), "there is no such state as ")
	})
}

// TestPageRefused: a page that is not there is one that says so.
func TestPageRefused(t *testing.T) {
	in(t, 1100*time.Millisecond, func(t *testing.T, p *program) {
		for path, want := range map[string]string{
			"/streaming/batch/":                                 "400 the page of a batch needs its id",
			"/streaming/batch/?id=17":                           "404 unknown batch: 17",
			"/streaming/batch/?id=" + url.QueryEscape(hostile):  "404 unknown batch: " + hostile,
			"/streaming/state/?state=sums&limit=-1":             "400 limit=-1 is no number",
			"/streaming/state/?state=sums&version=" + "%3Cb%3E": "400 version=<b> is no number",
		} {
			code, body, _ := p.get(t, path)
			text, err := textOf(body)
			number, says, _ := strings.Cut(want, " ")
			if fmt.Sprint(code) != number || err != nil || !strings.Contains(text, says) {
				t.Errorf("GET %s: %d, %v, want %s:\n%s", path, code, err, want, text)
			}
		}
	})
}

var hrefs = regexp.MustCompile(`href="([^"]*)"`)

// TestMounted: wherever the handler is mounted, every link of every page leads to a page of it, and no answer has a
// secret, or is to be kept or run.
func TestMounted(t *testing.T) {
	in(t, 4100*time.Millisecond, func(t *testing.T, p *program) {
		mux := http.NewServeMux()
		mux.Handle("/jobs/counts/", http.StripPrefix("/jobs/counts", p.page))
		base, err := url.Parse("http://service/jobs/counts/")
		if err != nil {
			t.Fatal(err)
		}
		todo, seen := []*url.URL{base}, map[string]int{}
		for len(todo) > 0 {
			at := todo[0]
			todo = todo[1:]
			if _, been := seen[at.RequestURI()]; been {
				continue
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, at.RequestURI(), nil).WithContext(t.Context()))
			seen[at.RequestURI()] = w.Code
			links := hrefs.FindAllStringSubmatch(w.Body.String(), -1)
			if to := w.Header().Get("Location"); to != "" {
				links = append(links, []string{"", to})
			}
			for _, link := range links {
				next, err := at.Parse(strings.ReplaceAll(link[1], "&amp;", "&"))
				if err != nil || next.Host != "service" || !strings.HasPrefix(next.Path, base.Path) {
					t.Fatalf("%s leads to %s, %v", at, link[1], err)
				}
				todo = append(todo, next)
			}
			if h := w.Header(); w.Code != 200 && w.Code != 302 || strings.Contains(w.Body.String(), "tell-nobody") ||
				h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" ||
				!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s: %d, %v\n%s", at, w.Code, h, w.Body)
			}
		}
		for _, path := range []string{"", "streaming/", "streaming/batch/?id=946684803000", "streaming/state/",
			"streaming/state/?state=sums", "metrics"} {
			if seen["/jobs/counts/"+path] == 0 {
				t.Errorf("no link leads to %q", path)
			}
		}
		if len(seen) < 15 {
			t.Errorf("only %d links: %v", len(seen), seen)
		}
	})
}

// TestGivenUpForEver: a batch that was given up is shown when it is long forgotten, and by the programs that go on from
// the checkpoint, once.
func TestGivenUpForEver(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		to := &shelf{last: map[string]int64{}}
		for life := range 3 {
			forEver(t, dir, to, life)
		}
	})
}

// forEver is a life of the program whose third batch was given up.
func forEver(t *testing.T, dir string, to *shelf, life int) {
	t.Helper()
	p := startWith(t, dir, to, "spark.streaming.ui.retainedBatches", "1", "weir.checkpoint.retainedBatches", "1")
	p.run(t)
	defer p.stop(t)
	<-time.After(5500 * time.Millisecond)
	synctest.Wait()
	says(t, p.read(t, "/streaming/"), "Batches That Were Given Up (1)", "3 is poison",
		"Completed Batches (last 1 out of 5)")
	_, list, _ := p.get(t, streaming+"skipped")
	if n := strings.Count(list, `"sequence": 2`); n != 1 {
		t.Errorf("life %d: %s", life, list)
	}
	if code, _, _ := p.get(t, streaming+"batches/946684803000"); code != http.StatusNotFound {
		t.Errorf("life %d: the batch itself is still there: %d", life, code)
	}
}

// TestTables: completed batches come in pages, in any order.
func TestTables(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, dir)
		p.run(t)
		defer p.stop(t)
		time.Sleep(120500 * time.Millisecond)
		synctest.Wait()
		stamps := regexp.MustCompile(`2000/01/01 (\d\d:\d\d:\d\d)\.000\n1\n`)
		for query, want := range map[string]string{
			"":                                "100 from 00:02:00 to 00:00:21",
			"?page=2":                         "20 from 00:00:20 to 00:00:01",
			"?page=9":                         "100 from 00:02:00 to 00:00:21",
			"?sort=Batch+Time&up":             "100 from 00:00:01 to 00:01:40",
			"?sort=Processing+Time":           "100 from 00:00:03 to ", // The batch that was given up took longest.
			"?sort=Processing+Time&up&page=2": " to 00:00:03",
		} {
			_, table, _ := strings.Cut(p.read(t, "/streaming/"+query), "Completed Batches (last 120 out of 120)")
			all := stamps.FindAllStringSubmatch(table, -1)
			if len(all) == 0 {
				t.Fatalf("%q: no rows in\n%s", query, table)
			}
			got := fmt.Sprintf("%d from %s to %s", len(all), all[0][1], all[len(all)-1][1])
			if !strings.Contains(got, want) {
				t.Errorf("%q: %s, want %s", query, got, want)
			}
		}
	})
}

// A receiver receives nothing, and starts unless it has an error.
type receiver struct{ err error }

func (r receiver) Start(context.Context, *dstream.Store[int], []byte) error { return r.err }

func (receiver) Stop(context.Context) error { return nil }

// TestReceivers: a receiver is shown as active or not, with its last error.
func TestReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]").
			Set("spark.streaming.receiverRestartDelay", "1h"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.SetOutput(io.Discard)
		p := &program{ssc, ui.New(ssc)}
		steady := dstream.ReceiverStream(ssc, "steady", dstream.Receiver[int](receiver{}))
		broken := dstream.ReceiverStream(ssc, "broken", dstream.Receiver[int](receiver{errors.New("no route to <host>\nat all")}))
		dstream.Print(dstream.Union(steady, broken), 1)
		p.run(t)
		defer p.stop(t)
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		says(t, p.read(t, "/streaming/"), "ACTIVE on driver / localhost", "INACTIVE on driver / localhost",
			"no route to <host>\nat all", "Receivers: 1 / 2 active")
		_, body, _ := p.get(t, streaming+"receivers")
		for _, want := range []string{`"isActive": true`, `"isActive": false`, `"executorHost": "localhost"`,
			`"lastErrorMessage": "no route to \u003chost\u003e"`, `"lastErrorTime": "2000-01-01T00:00:0`} {
			if !strings.Contains(body, want) {
				t.Errorf("there is no %s in %s", want, body)
			}
		}
		_, body, _ = p.get(t, streaming+"statistics")
		if !strings.Contains(body, `"numActiveReceivers": 1`) || !strings.Contains(body, `"numInactiveReceivers": 1`) {
			t.Error(body)
		}
		_, body, _ = p.get(t, "/metrics")
		if !strings.Contains(body, "\nweir_streaming_active_receivers 1\n") ||
			!slices.Contains(strings.Split(body, "\n"), `weir_streaming_receivers 2`) {
			t.Error(body)
		}
	})
}
