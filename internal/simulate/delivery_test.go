package simulate

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/weirstream/weir/dstream"
)

// A delivery is a receiver of the entries of an input, one after the other, whose position is how many it has brought.
// Whenever it is connected to, it brings the last ones once more.
type delivery[T any] struct {
	in       *input
	life     *living
	interval time.Duration
	work     sync.WaitGroup
	stop     context.CancelFunc
}

// again is how many entries come once more.
const again = 2

// Start implements dstream.Receiver.
func (d *delivery[T]) Start(ctx context.Context, st *dstream.Store[T], resume []byte) error {
	if ctx, d.stop = context.WithCancel(ctx); d.life.told {
		return nil
	}
	at, _ := strconv.Atoi(string(resume)) // nil is 0.
	d.work.Go(func() {
		for i := max(at-again, 0); i < len(d.in.entries) && ctx.Err() == nil; i++ {
			rows, _ := d.in.entries[i].rows.([]T)
			store := st.Some
			if d.in.entries[i].partitions%2 == 0 {
				store = st.Many
			}
			if store(rows, []byte(strconv.Itoa(i+1))) != nil {
				return
			}
			select {
			case <-time.After(time.Duration(d.life.draw(100)) * d.interval / 60):
			case <-ctx.Done():
			}
		}
	})
	return nil
}

// Stop implements dstream.Receiver.
func (d *delivery[T]) Stop(context.Context) error {
	d.stop()
	d.work.Wait()
	return nil
}

// Covers implements dstream.ReceiverPositions.
func (d *delivery[T]) Covers(last, position []byte) bool {
	brought, _ := strconv.Atoi(string(last))
	these, _ := strconv.Atoi(string(position))
	return these <= brought
}

// logged is what the range of a receiver says.
type logged struct {
	Series   string `json:"series"`
	From     int    `json:"from"`
	Until    int    `json:"until"`
	Position []byte `json:"position"`
}

// loggedRange reads the range of a receiver; ok is false for those of others.
func loggedRange(rng []byte) (l logged, brought int, ok bool) {
	if json.Unmarshal(rng, &l) != nil {
		return l, 0, false
	}
	brought, _ = strconv.Atoi(string(l.Position)) // None is 0.
	return l, brought, true
}

// delivered is what entries hold that came one after the other.
func (in *input) delivered(from, until int) any {
	var parts []any
	for i := from; i < until; i++ {
		if rows := in.entries[i].rows; rows != nil {
			parts = append(parts, rows)
		}
	}
	return in.kind.concat(parts)
}
