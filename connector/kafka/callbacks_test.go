package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

// A function given to Send that panics, or ends its goroutine, is an error of the producer, and the functions of the
// records after it are called all the same.
func TestSendCallbackFails(t *testing.T) {
	for _, row := range []struct {
		name string
		fail func()
		says string
	}{
		{"panic", func() { panic("odd") }, "a function given to Producer.Send: panic at callbacks_test.go:29: odd"},
		{"Goexit", runtime.Goexit, "a function given to Producer.Send: it ended its goroutine by runtime.Goexit"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				var log bytes.Buffer
				p := openProducer(t, c, "t", []string{"linger.ms", "1000"},
					kafka.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				var told []string
				for i := range 4 {
					err := p.Send(t.Context(), message{Value: "v"}, func(_ int32, offset int64, err error) {
						told = append(told, fmt.Sprint(i, " ", offset, " ", err))
						if i == 1 {
							row.fail()
						}
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				says(t, p.Flush(t.Context()), row.says)
				same(t, "told", told, []string{"0 0 <nil>", "1 1 <nil>", "2 2 <nil>", "3 3 <nil>"})
				says(t, errors.New(log.String()), "level=WARN", row.says, "topic=t", "offset=1")
				if err := errors.Join(p.Send(t.Context(), message{Value: "v"}, nil), p.Close(t.Context())); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// A function given to Send may send while there is room, also ahead of those that wait for it, and is told at once that
// it cannot wait, for room or for itself.
func TestCallsInsideSendCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		p := openProducer(t, c, "t", []string{"buffer.memory", "2600", "linger.ms", "60000"})
		big := strings.Repeat("v", 1000)
		send := func(done func(int32, int64, error)) {
			if err := p.Send(t.Context(), message{Value: big}, done); err != nil {
				t.Error(err)
			}
		}
		send(nil)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var errs [4]error
		told := 0
		send(func(int32, int64, error) {
			errs[0] = p.Send(t.Context(), message{Value: "follow-up"}, func(int32, int64, error) { told++ })
			errs[1] = p.Send(t.Context(), message{Value: big + big}, nil)
			errs[2] = p.Flush(context.Background())
			errs[3] = p.Close(context.Background())
			told++
		})
		waiting := make(chan struct{})
		go func() {
			defer close(waiting)
			send(nil)
			send(nil) // It waits for room.
		}()
		began := time.Now()
		<-waiting
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("it took %v", d)
		}
		if errs[0] != nil {
			t.Errorf("a record that there is room for: %v", errs[0])
		}
		says(t, errs[1], `write to topic "t"`, "buffer.memory is full", "send from another goroutine")
		says(t, errs[2], "producer's Flush", "cannot be called inside of a function given to Producer.Send")
		says(t, errs[3], "producer's Close", "cannot be called inside of a function given to Producer.Send")
		if n := len(contentsOf(t, c, "t")); n != 5 || told != 2 {
			t.Errorf("%d records, %d told", n, told)
		}
	})
}

// What a function given to Send sends while Flush waits does not linger.
func TestFlushTakesFollowUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		p := openProducer(t, c, "t", []string{"linger.ms", "60000"})
		began, left := time.Now(), 5
		var again func(int32, int64, error)
		again = func(_ int32, _ int64, err error) {
			if left--; left > 0 && err == nil {
				if err := p.Send(t.Context(), message{Value: "v"}, again); err != nil {
					t.Error(err)
				}
			}
		}
		if err := errors.Join(p.Send(t.Context(), message{Value: "v"}, again), p.Flush(t.Context())); err != nil {
			t.Error(err)
		}
		if n, d := len(contentsOf(t, c, "t")), time.Since(began); n != 5 || d > time.Second {
			t.Errorf("%d records after %v", n, d)
		}
	})
}

// A record that the limit of bytes has no room for while its context lasts says which limit that is.
func TestProduceLimitInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		p := openProducer(t, c, "t", nil, kafka.WithProduceBytesPerSecond(1000))
		why := errors.New("no more")
		for _, row := range []struct {
			ctx  func() (context.Context, context.CancelFunc)
			want error
		}{
			{func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Second) },
				context.DeadlineExceeded},
			{func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(why) })
				return ctx, func() { cancel(nil) }
			}, why},
		} {
			ctx, cancel := row.ctx()
			err := p.Send(ctx, message{Value: strings.Repeat("v", 5000)}, nil)
			cancel()
			if !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
			says(t, err, `topic "t"`, "kafka.WithProduceBytesPerSecond", "1000 bytes a second", "raise it")
		}
	})
}
