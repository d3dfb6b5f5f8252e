package realkafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic creates a topic and waits until every broker that is up knows a leader for each of its partitions.
// configs are the topic's settings, e.g. {"cleanup.policy": "compact"}; nil for none.
func (c *Cluster) Topic(name string, partitions, rf int, configs map[string]string) {
	c.t.Helper()
	if atLeast(c.version, "0.10.1") {
		c.createTopic(name, partitions, rf, configs)
	} else { // brokers before 0.10.1 cannot be asked; a tool writes into ZooKeeper
		args := []string{"topic", c.dir, name, strconv.Itoa(partitions), strconv.Itoa(rf)}
		for _, k := range slices.Sorted(maps.Keys(configs)) {
			args = append(args, k+"="+configs[k])
		}
		c.call(nil, args...)
	}
	c.await(PlaintextListener, "", "topic "+name, func(ctx context.Context, b *kgo.Broker) error {
		return leaders(ctx, b, name, partitions)
	})
}

func (c *Cluster) createTopic(name string, partitions, rf int, configs map[string]string) {
	c.t.Helper()
	settings := make(map[string]*string, len(configs))
	for k, v := range configs {
		settings[k] = &v
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), callTimeout)
	defer cancel()
	cl := c.client(PlaintextListener, "")
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, int32(partitions), int16(rf), settings, name); err != nil {
		c.t.Fatalf("realkafka: create topic %s: %v", name, err)
	}
}

// leaders returns nil if the broker knows a leader for each of the topic's partitions.
func leaders(ctx context.Context, b *kgo.Broker, topic string, partitions int) error {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, b)
	if err != nil {
		return err
	}
	if len(resp.Topics) != 1 {
		return fmt.Errorf("%d topics in the answer about one", len(resp.Topics))
	}
	answer := resp.Topics[0]
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	if partitions > 0 && len(answer.Partitions) != partitions {
		return fmt.Errorf("%d of %d partitions are known", len(answer.Partitions), partitions)
	}
	for _, p := range answer.Partitions {
		// A broker without a leader is an error here; a replica that is away is none.
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil && !errors.Is(err, kerr.ReplicaNotAvailable) {
			return fmt.Errorf("partition %d: %w", p.Partition, err)
		}
	}
	return nil
}

// client returns a franz-go client that the caller must close.
func (c *Cluster) client(l Listener, user string) *kgo.Client {
	c.t.Helper()
	cl, err := kgo.NewClient(c.ClientOpts(l, user)...)
	if err != nil {
		c.t.Fatalf("realkafka: %v", err)
	}
	return cl
}

// await asks every broker, as user, until try returns nil for each of them; a broker that takes no connections
// is left out, unless none does. What a broker has been told reaches the others a moment later, and a test that
// goes on before would fail now and then.
func (c *Cluster) await(l Listener, user, what string, try func(context.Context, *kgo.Broker) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), callTimeout)
	defer cancel()
	cl := c.client(l, user)
	defer cl.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := askAll(ctx, cl.SeedBrokers(), try)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("realkafka: %s is not there after %v: %v", what, callTimeout, err)
		}
	}
}

// askAll returns the first error of try but refused connections, or that no broker takes any.
func askAll(ctx context.Context, brokers []*kgo.Broker, try func(context.Context, *kgo.Broker) error) error {
	answered := 0
	var refused error
	for _, b := range brokers {
		err := try(ctx, b)
		var op *net.OpError
		switch {
		case err == nil:
			answered++
		case errors.As(err, &op) && op.Op == "dial":
			refused = err
		default:
			return err
		}
	}
	if answered == 0 {
		return refused
	}
	return nil
}
