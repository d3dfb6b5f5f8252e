package kafka_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
)

// TestStreamCommitsItsStart: without a write ahead log the group is told at once where the first process began by
// auto.offset.reset. The next one goes on there, also if the first has received nothing.
func TestStreamCommitsItsStart(t *testing.T) {
	for _, version := range []*kversion.Versions{kversion.Stable(), kversion.V1_1_0()} {
		t.Run(version.VersionGuess(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "a"), kfake.SeedTopics(1, "b"), kfake.MaxVersions(version))
				c.Produce("a", 0, "v0", "v1")
				var w receivedRows
				ssc, reports := receive(t, c, nil, &w, "|", "auto.offset.reset", "largest")
				time.Sleep(500 * time.Millisecond)
				movedTo(t, c, 2)
				if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
					t.Fatal(err)
				}
				c.Produce("a", 0, "v2", "v3")
				ssc, _ = receive(t, c, nil, &w, "|", "auto.offset.reset", "largest")
				time.Sleep(2500 * time.Millisecond)
				if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
					t.Fatal(err)
				}
				same(t, "records", w.sorted(), at("a-0", "v", 2, 4))
				same(t, "reports", *reports, nil)
			})
		})
	}
}

// TestStreamCommitsAgain what has not changed for long, before the brokers forget it: without a write ahead log the
// next process would choose anew where to begin.
func TestStreamCommitsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "a"), kfake.SeedTopics(1, "b"),
			kfake.BrokerConfigs(map[string]string{
				"offsets.retention.minutes": "12", "offsets.retention.check.interval.ms": "60000"}))
		c.Produce("a", 0, "v0", "v1")
		var w receivedRows
		ssc, reports := receive(t, c, nil, &w)
		time.Sleep(25 * time.Minute)
		movedTo(t, c, 2)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		same(t, "reports", *reports, nil)
		time.Sleep(14 * time.Minute) // The brokers of this test forget indeed.
		if got := c.Committed("g", "a"); got != nil {
			t.Errorf("after the retention %v is still committed", got)
		}
	})
}

// movedTo tells whether a group stands at an offset of partition 0 of the topic "a".
func movedTo(t *testing.T, c *kafkatest.Cluster, want int64) {
	t.Helper()
	if got := c.Committed("g", "a"); got[0] != want {
		t.Errorf("%v is committed, want %d", got, want)
	}
}
