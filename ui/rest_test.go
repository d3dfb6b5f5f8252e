package ui_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
)

const streaming = "/api/v1/applications/APP/streaming/"

// TestREST: Spark's paths and fields, and weir's own beside them, in the middle of the fourth batch, the third of which
// was given up.
func TestREST(t *testing.T) {
	in(t, 4100*time.Millisecond, func(t *testing.T, p *program) {
		var tr transcript
		for _, path := range []string{"/api/v1/applications", "/api/v1/applications/APP", streaming + "statistics",
			streaming + "receivers", streaming + "receivers/0", streaming + "batches",
			streaming + "batches?status=PROCESSING&status=QUEUED", streaming + "batches/946684801000",
			streaming + "batches/946684803000/operations", streaming + "batches/946684804000/operations/1",
			streaming + "outputs", streaming + "inputs", streaming + "skipped", streaming + "states",
			streaming + "states/sums?prefix=key+a", streaming + "states/sums?key=key+b&version=0",
			streaming + "states/sums?prefix=other"} {
			tr.ask(t, p, path)
		}
		tr.check(t, "rest.txt")
	})
}

// TestStateRows: rows come in the order of the state, which follows from the seed of its checkpoint.
func TestStateRows(t *testing.T) {
	in(t, 4100*time.Millisecond, func(t *testing.T, p *program) {
		const a, b = `"key a" 2`, `"key b" 1`
		for query, want := range map[string][]string{
			"":                    {a + " " + b + " false", b + " " + a + " false"},
			"?limit=2":            {a + " " + b + " false", b + " " + a + " false"},
			"?limit=1":            {a + " true", b + " true"},
			"?prefix=key&limit=1": {a + " true", b + " true"},
			"?prefix=key+b":       {b + " false"},
			"?version=0":          {b + " false"},
		} {
			code, body, _ := p.get(t, streaming+"states/sums"+query)
			var answer struct {
				Rows []struct{ Key, Value json.RawMessage }
				More bool
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK {
				t.Fatalf("%s: %d, %v: %s", query, code, err, body)
			}
			got := ""
			for _, row := range answer.Rows {
				got += fmt.Sprintf("%s %s ", row.Key, row.Value)
			}
			if got += fmt.Sprint(answer.More); !slices.Contains(want, got) {
				t.Errorf("%s: %s, want one of %q", query, got, want)
			}
		}
	})
}

// TestRESTRefused: what is not there is named, in Spark's words where it has some.
func TestRESTRefused(t *testing.T) {
	in(t, 2100*time.Millisecond, func(t *testing.T, p *program) {
		for _, row := range []struct {
			path string
			code int
			says string
		}{
			{"/api/v1/applications/x", 404, "no such app: x"},
			{"/api/v1/applications/x/streaming/batches", 404, "no such app: x"},
			{streaming + "receivers/5", 404, "unknown receiver: 5"},
			{streaming + "batches/17", 404, "unknown batch: 17"},
			{streaming + "batches/x", 404, "unknown batch: x"},
			{streaming + "batches/17/operations", 404, "unknown batch: 17"},
			{streaming + "batches/946684801000/operations/9", 404, "unknown output operation: 9"},
			{streaming + "batches?status=DONE", 400, "unknown status: DONE: it is COMPLETED, QUEUED or PROCESSING"},
			{streaming + "states/other", 404, `there is no such state as "other": the program's are sums`},
			{streaming + "states/sums?key=nobody", 404, `the state "sums" has no key nobody as of batch 0`},
			{streaming + "states/sums?version=9", 404, "batch 9 is not committed"},
			{streaming + "states/sums?version=x", 400, "version=x is no number of a batch"},
			{streaming + "states/sums?limit=0", 400, "limit=0 is no number from 1 to 10000"},
			{streaming + "nothing", 404, "404 page not found"},
		} {
			code, body, head := p.get(t, row.path)
			if code != row.code || !strings.Contains(body, row.says) ||
				!strings.HasPrefix(head.Get("Content-Type"), "text/plain") {
				t.Errorf("GET %s: %d %s, want %d %s", row.path, code, body, row.code, row.says)
			}
		}
		w := httptest.NewRecorder()
		p.page.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/applications", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", w.Code)
		}
	})
}

// TestBeforeAndAfter: a program that has not started yet, and one that has ended, are shown as such.
func TestBeforeAndAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, "")
		for path, want := range map[string]int{"/streaming/": 200, streaming + "statistics": 200, streaming + "outputs": 503,
			streaming + "states": 503, "/streaming/state/": 503, streaming + "skipped": 200, "/metrics": 200} {
			if code, body, _ := p.get(t, path); code != want ||
				want == 503 && !strings.Contains(body, "the program has not started yet") {
				t.Errorf("before: GET %s: %d %s", path, code, body)
			}
		}
		p.run(t)
		time.Sleep(3500 * time.Millisecond) // Without a checkpoint the third batch ends the program.
		synctest.Wait()
		if s := p.ssc.State(); s != dstream.Stopped {
			t.Fatal(s)
		}
		for path, want := range map[string]string{
			"/streaming/":            "The program has failed: batch 2",
			streaming + "batches":    `"outcome": "failed"`,
			"/api/v1/applications":   `"completed": true`,
			streaming + "states":     `"state": "sums"`,
			streaming + "outputs":    "without a checkpoint no state survives a restart",
			streaming + "statistics": `"numTotalCompletedBatches": 3`,
		} {
			if code, body, _ := p.get(t, path); code != 200 || !strings.Contains(body, want) {
				t.Errorf("after: GET %s: %d does not say %q:\n%s", path, code, want, body)
			}
		}
		code, body, _ := p.get(t, streaming+"states/sums")
		if code != 404 || !strings.Contains(body, "a program without a checkpoint has no versions of its states") {
			t.Errorf("rows without a checkpoint: %d %s", code, body)
		}
	})
}

// TestManyAsk: batches run while all that there is is asked for by many.
func TestManyAsk(t *testing.T) {
	in(t, 1500*time.Millisecond, func(t *testing.T, p *program) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 8 {
					for _, path := range []string{"/streaming/", "/streaming/batch/?id=946684801000", "/metrics",
						"/streaming/state/?state=sums", streaming + "batches", streaming + "inputs", streaming + "outputs",
						streaming + "receivers", streaming + "skipped", streaming + "states/sums", streaming + "statistics"} {
						if code, body, _ := p.get(t, path); code != http.StatusOK {
							t.Errorf("GET %s: %d %s", path, code, body)
						}
					}
					<-time.After(300 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if _, body, _ := p.get(t, streaming+"statistics"); !strings.Contains(body, `"numTotalCompletedBatches": 3`) {
			t.Error(body)
		}
	})
}
