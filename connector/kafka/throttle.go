package kafka

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A throttle tells that brokers slow a stream or sink down, because a quota is used up: that is the reason of its
// rate then. The client keeps to what they ask. It is a hook of franz-go.
type throttle struct {
	warn func(message string, err error, attrs ...any)

	mu   sync.Mutex
	told map[int32]time.Time // by node
	last string              // what was asked for last, since it was taken
}

// throttleQuiet is how long nothing more is told of a broker: a quota that is used up is used up at every request.
const throttleQuiet = time.Minute

func (t *throttle) with(opts []kgo.Opt) []kgo.Opt {
	return append(slices.Clone(opts), kgo.WithHooks(t))
}

// OnBrokerThrottle is called by franz-go for each answer that asks for a pause.
func (t *throttle) OnBrokerThrottle(meta kgo.BrokerMetadata, d time.Duration, _ bool) {
	if d <= 0 {
		return
	}
	asked := fmt.Sprintf("broker %d at %s:%d asked for a pause of %v", meta.NodeID, meta.Host, meta.Port, d)
	if t.news(meta.NodeID, asked) {
		t.warn(
			"a broker throttles this client: its quota is used up",
			errors.New(asked+": raise the quota, or lower the rate"),
			"broker",
			meta.NodeID,
			"pause",
			d,
		)
	}
}

// news tells whether a broker's throttling is to be told, and remembers that it was.
func (t *throttle) news(node int32, asked string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = asked
	if told, ok := t.told[node]; ok && time.Since(told) < throttleQuiet {
		return false
	}
	if t.told == nil {
		t.told = map[int32]time.Time{}
	}
	t.told[node] = time.Now()
	return true
}

// take gives what a broker asked for last, since it was taken; "" if none did.
func (t *throttle) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.last
	t.last = ""
	return last
}
