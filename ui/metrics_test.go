package ui_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetrics: Prometheus's own library finds nothing wrong with the text.
func TestMetrics(t *testing.T) {
	in(t, 4100*time.Millisecond, func(t *testing.T, p *program) {
		var tr transcript
		tr.ask(t, p, "/metrics")
		tr.check(t, "metrics.txt")
		_, body, _ := p.get(t, "/metrics")
		problems, err := promlint.New(strings.NewReader(body)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
	})
}
