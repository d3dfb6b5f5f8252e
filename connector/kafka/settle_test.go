package kafka_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
)

// lag has the coordinator of a group answer that it has committed offset 0, as long as late says so, to those that do
// not ask to wait for what is stable, or cannot.
func lag(c *kafkatest.Cluster, late *atomic.Bool) {
	c.ControlKey(int16(kmsg.OffsetFetch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := kreq.(*kmsg.OffsetFetchRequest)
		if !late.Load() || req.Version >= 7 {
			return nil, nil, false
		}
		p := kmsg.NewOffsetFetchResponseTopicPartition()
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic, t.Partitions = req.Topics[0].Topic, append(t.Partitions, p)
		resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
		resp.Topics = append(resp.Topics, t)
		return resp, nil, true
	})
}

// claims has a broker say that it knows what is known, but some requests up to a lower version only, as long as still
// says so.
func claims(c *kafkatest.Cluster, node int32, known *kversion.Versions, lower map[kmsg.Key]int16,
	still func() bool,
) {
	c.ControlKey(int16(kmsg.ApiVersions), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if c.CurrentNode() != node || !still() {
			return nil, nil, false
		}
		resp := kreq.ResponseKind().(*kmsg.ApiVersionsResponse)
		if most, _ := known.LookupMaxKeyVersion(kmsg.ApiVersions.Int16()); resp.Version > most {
			resp.Version, resp.ErrorCode = 0, kerr.UnsupportedVersion.Code
		}
		known.EachMaxKeyVersion(func(key, most int16) {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = key, most
			if low, ok := lower[kmsg.Key(key)]; ok {
				k.MaxVersion = low
			}
			resp.ApiKeys = append(resp.ApiKeys, k)
		})
		return resp, nil, true
	})
}

func always() bool { return true }

// deaf is a dialer by which the answers to EndTxn are lost as long as losing says so.
func deaf(c *kafkatest.Cluster, losing *atomic.Bool) kafka.Option {
	return kafka.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := c.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &deafConn{Conn: conn, losing: losing}, nil
	})
}

// A coordinator that cannot be asked to wait goes on telling the old identity for a while after a transaction was
// committed. A batch whose commit is in doubt is not written a second time for that, neither by the process that tried
// it nor by the next one.
func TestTransactionInDoubtOfOldCoordinator(t *testing.T) {
	for _, row := range []struct {
		name    string
		version *kversion.Versions
		lowered bool // the coordinator alone is old
		anew    bool // by another process
	}{
		{"of 2.4", kversion.V2_4_0(), false, false},
		{"of 2.4, at a start", kversion.V2_4_0(), false, true},
		{"in a mixed cluster", kversion.V2_8_0(), true, false},
		{"in a mixed cluster, at a start", kversion.V2_8_0(), true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "out"), kfake.MaxVersions(row.version))
				coordinator := c.CoordinatorFor(kafka.TransactionName("", "job", "sums", ""))
				if row.lowered {
					claims(c, coordinator, row.version, map[kmsg.Key]int16{kmsg.OffsetFetch: 6}, always)
				}
				var losing, late atomic.Bool
				lag(c, &late)
				seed := c.ListenAddrs()[1-coordinator]
				s := openExactBy(t, c, deaf(c, &losing), "bootstrap.servers", seed)
				if err := s.put(0, nil, texts("a")...); err != nil {
					t.Fatal(err)
				}
				losing.Store(true)
				late.Store(true)
				if err := s.put(1, nil, texts("b")...); !errors.Is(err, dstream.ErrInDoubt) {
					t.Errorf("got %v, want one in doubt", err)
				}
				losing.Store(false)
				time.AfterFunc(3*time.Second, func() { late.Store(false) })
				if row.anew {
					s = openExact(t, c, "bootstrap.servers", seed)
					if last, _, err := s.Last(t.Context(), "sums", "", 0); last != 1 || err != nil {
						t.Errorf("the identity is %d, %v", last, err)
					}
				}
				if err := s.put(1, nil, texts("b")...); err != nil {
					t.Error(err)
				}
				same(t, "records", values(c), []string{"a", "b"})
			})
		})
	}
}

// Where nothing can be about to come in, nobody waits: not for what the process has written itself, and not at a start
// if the log says that there is nothing more.
func TestIdentityWithoutDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "out"), kfake.MaxVersions(kversion.V2_4_0()))
		first := openExact(t, c)
		if err := first.put(0, nil, texts("a")...); err != nil {
			t.Fatal(err)
		}
		s := openExact(t, c)
		planned := int64(0)
		s.SetNewest(func(output, effect, transaction string) int64 {
			if output != "sums" || effect != "" || transaction != s.Transaction(effectOf(0)) {
				t.Errorf("asked for %q, %q, %q", output, effect, transaction)
			}
			return planned
		})
		last := func() (took time.Duration) {
			begun := time.Now()
			if last, _, err := s.Last(t.Context(), "sums", "", 0); last != 0 || err != nil {
				t.Errorf("the identity is %d, %v", last, err)
			}
			return time.Since(begun)
		}
		if took := last(); took > 100*time.Millisecond {
			t.Errorf("it took %v though the log has planned nothing more", took)
		}
		if planned = 1; last() > 100*time.Millisecond {
			t.Error("it was asked again, and waited for, though it was known")
		}
		if err := s.Fence(t.Context(), []string{s.Transaction(effectOf(0))}); err != nil {
			t.Error(err)
		}
		begun := time.Now()
		if err := s.put(1, nil, texts("b")...); err != nil || time.Since(begun) > time.Second {
			t.Errorf("a batch after a fence took %v, %v", time.Since(begun), err)
		}
	})
}
