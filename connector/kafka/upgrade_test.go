package kafka_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

// strict has coordinators refuse topic ids that they do not know when offsets are fetched, as real ones do.
func strict(c *kafkatest.Cluster) {
	c.ControlKey(int16(kmsg.OffsetFetch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := kreq.(*kmsg.OffsetFetchRequest)
		if req.Version < 10 || c.TopicIDInfo(req.Groups[0].Topics[0].TopicID) != nil {
			return nil, nil, false
		}
		p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		p.Offset, p.ErrorCode = -1, kerr.UnknownTopicID.Code
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.TopicID, t.Partitions = req.Groups[0].Topics[0].TopicID, append(t.Partitions, p)
		g := kmsg.NewOffsetFetchResponseGroup()
		g.Group, g.Topics = req.Groups[0].Group, append(g.Topics, t)
		resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
		resp.Groups = append(resp.Groups, g)
		return resp, nil, true
	})
}

// Brokers that were opened by names and are upgraded to a version that wants ids get them.
func TestTransactionAfterUpgrade(t *testing.T) {
	for _, row := range []struct {
		name string
		from *kversion.Versions
	}{
		{"from 2.8", kversion.V2_8_0()},
		{"from 2.7, which has no ids", kversion.V2_7_0()},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "out"))
				strict(c)
				var upgraded atomic.Bool
				claims(c, 0, row.from, nil, func() bool { return !upgraded.Load() })
				s := openExact(t, c)
				if err := s.put(0, nil, texts("a")...); err != nil {
					t.Fatal(err)
				}
				upgraded.Store(true)
				c.Cut()
				c.Mend()
				if err := s.Fence(t.Context(), []string{s.Transaction(effectOf(0))}); err != nil {
					t.Error(err)
				}
				for seq, value := range []string{"a", "b"} {
					if err := s.put(int64(seq), nil, texts(value)...); err != nil {
						t.Error(err)
					}
				}
				same(t, "records", values(c), []string{"a", "b"})
			})
		})
	}
}

// A job whose group is kept by a broker that is upgraded already begins where the group is, and commits.
func TestGroupOfUpgradedCoordinator(t *testing.T) {
	for _, from := range []*kversion.Versions{kversion.V2_8_0(), kversion.V2_7_0()} {
		synctest.Test(t, func(t *testing.T) {
			c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "t"))
			c.Produce("t", 0, numbered("v", 0, 5)...)
			commitOffset(t, c, "g", "t", 0, 3)
			strict(c)
			old := 1 - c.CoordinatorFor("g")
			claims(c, old, from, nil, always)
			seed := c.ListenAddrs()[old]
			j := run(t, c, plan{params: []string{"bootstrap.servers", seed, "enable.auto.commit", "true"}})
			pass(5 * time.Second)
			j.stop()
			same(t, "records", j.records(), at("t-0", "v", 3, 5))
			if offset := c.Committed("g", "t")[0]; offset != 5 {
				t.Errorf("offset %d is committed", offset)
			}
		})
	}
}
