package kafka

import (
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
	told time.Time
}

// throttleQuiet is how long nothing more is told: a quota that is used up is used up at every request.
const throttleQuiet = time.Minute

func (t *throttle) with(opts []kgo.Opt) []kgo.Opt {
	return append(slices.Clone(opts), kgo.WithHooks(t))
}

// OnBrokerThrottle is called by franz-go for each answer that asks for a pause.
func (t *throttle) OnBrokerThrottle(meta kgo.BrokerMetadata, d time.Duration, _ bool) {
	if d <= 0 {
		return
	}
	t.mu.Lock()
	now := time.Now()
	tell := t.told.IsZero() || now.Sub(t.told) >= throttleQuiet
	if tell {
		t.told = now
	}
	t.mu.Unlock()
	if tell {
		t.warn(
			"a broker throttles this client: its quota is used up",
			fmt.Errorf(
				"broker %d at %s:%d asked for a pause of %v: raise the quota, or lower the rate",
				meta.NodeID,
				meta.Host,
				meta.Port,
				d,
			),
			"broker",
			meta.NodeID,
			"pause",
			d,
		)
	}
}
