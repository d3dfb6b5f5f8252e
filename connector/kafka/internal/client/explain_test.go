package client

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The brokers that could not be connected to are told once.
func TestExplainTellsBrokersOnce(t *testing.T) {
	c := &Client{cfg: &Config{}, hook: newTracker()}
	c.hook.OnBrokerConnect(kgo.BrokerMetadata{NodeID: 1, Host: "b", Port: 9092}, 0, nil, errors.New("no route"))
	for _, err := range []error{c.timedOut("ask", context.DeadlineExceeded), context.DeadlineExceeded} {
		if got := c.Explain(c.Explain(err)).Error(); strings.Count(got, "no route") != 1 {
			t.Errorf("%v", got)
		}
	}
}
