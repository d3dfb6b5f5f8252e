package dstream

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// TestRenewIdentities: an identity that is half a day old is stored again, one of which nobody knows its age at once.
func TestRenewIdentities(t *testing.T) {
	for _, tt := range []struct {
		name  string
		holds int64
		age   time.Duration
		want  string
	}{
		{"none", -1, 0, ""},
		{"young", 7, time.Hour, "11h 23h 35h 47h"},
		{"of a batch that the log has forgotten", 6, time.Hour, "1h 13h 25h 37h 49h"},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(48 * time.Hour)
			s := &bank{last: tt.holds}
			j := newSinkJob(t, s, []string{"weir.streaming.interval", "1h"}, nil)
			st := logState(7)
			st.Committed.Time -= tt.age.Milliseconds()
			j.know(st, owned)
			if err := j.ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []string
			time.Sleep(30 * time.Minute)
			for hour := range 50 {
				before := s.count()
				time.Sleep(time.Hour)
				if s.count() > before {
					got = append(got, fmt.Sprintf("%dh", hour+1))
				}
			}
			if err := j.ssc.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("%s: stored again after %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

// A bank that holds the effect "rare" only, or nothing.
type rareBank struct{ *bank }

func (s rareBank) Last(ctx context.Context, output, effect string, p int) (int64, bool, error) {
	if effect != "rare" {
		return -1, false, nil
	}
	return s.bank.Last(ctx, output, effect, p)
}

// TestRenewUnused: identities of effects that no batch has had since the start are stored again, by the sink that holds
// them, as soon as that is known: from the start if the program tells of it, else from the first Save.
func TestRenewUnused(t *testing.T) {
	for _, tt := range []struct {
		name           string
		told, saves    bool // of the sink before the start; another effect from the fourth hour on
		holds, written int64
		want           string
	}{
		{"a sink that the program tells of", true, false, 5, 5, "1h 13h 25h 37h"},
		{"one that is used", false, true, 5, 5, "5h 17h 29h 41h"},
		{"one that is not used", false, false, 5, 5, ""},
		{"one that holds more than the log says", true, false, 6, 5, "1h 13h 25h 37h"},
		{"one that holds nothing of it", true, true, -1, 5, ""},
		{"an effect of which the log knows nothing", true, true, 5, -1, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(48 * time.Hour)
			s := rareBank{&bank{last: tt.holds}}
			j := newSinkJob(t, &bank{last: -1}, []string{"weir.streaming.interval", "1h"}, nil)
			body := ForeachRDD(QueueStream(j.ssc, NewQueue(nil, nil, nil, []string{"a"})), func(ctx context.Context,
				r *rdd.RDD[string], b *Batch,
			) error {
				if !tt.saves || b.Sequence < 4 {
					return nil
				}
				return Save(ctx, b, "often", r, Sink[string](s))
			}).Named("body")
			if tt.told {
				SavesTo(body, Sink[string](s))
			}
			st := logState(0)
			st.Planned.Sequence = 7
			if tt.written >= 0 {
				st.Written = []checkpoint.Written{{Output: "body", Name: "rare", Sequence: tt.written, Partitions: 1}}
			}
			j.know(st, owned)
			if err := j.ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Minute)
			var got []string
			for hour := range 48 {
				before := strings.Count(s.all(), "mark")
				time.Sleep(time.Hour)
				if strings.Count(s.all(), "mark") > before {
					got = append(got, fmt.Sprintf("%dh", hour+1))
				}
			}
			if err := j.ssc.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("%s: stored again after %q, want %q", tt.name, got, tt.want)
			}
			marked := tt.want != ""
			if slices.Contains(j.bank.calls, "log body/rare") != marked ||
				strings.Contains(s.all(), fmt.Sprintf("mark %d false", tt.holds)) != marked {
				t.Errorf("%s: the log saw\n%s\nthe sink\n%s", tt.name, j.calls(), s.all())
			}
		})
	}
}

func (s *bank) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, "\n")
}
