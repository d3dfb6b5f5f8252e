package realkafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// GrantRead lets a user read one topic and use one group, by the right READ on each and nothing else, and waits
// until every broker acts on it. The cluster must have been started with ACL, and the topic must exist.
func (c *Cluster) GrantRead(user, topic, group string) {
	c.t.Helper()
	if !c.shape.acl {
		c.t.Fatal("realkafka: there are no rights to grant: start the cluster with ACL()")
	}
	c.call(nil, "grant", c.dir, user, topic, group)
	what := fmt.Sprintf("%s's right to read %s in group %s", user, topic, group)
	way := SASLListener
	if user == CertUser {
		way, user = MTLSListener, ""
	}
	c.await(way, user, what, func(ctx context.Context, b *kgo.Broker) error {
		if err := leaders(ctx, b, topic, 0); err != nil {
			return err
		}
		return coordinator(ctx, b, group)
	})
}

// coordinator returns nil if the broker names the group's coordinator, which it does for those who may use the
// group. The first question makes the brokers create the topic of all groups' offsets.
func coordinator(ctx context.Context, b *kgo.Broker, group string) error {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey = group
	req.CoordinatorKeys = []string{group}
	resp, err := req.RequestWith(ctx, b)
	if err != nil {
		return err
	}
	code := resp.ErrorCode
	for _, answer := range resp.Coordinators { // newer brokers answer for several groups at once
		code = answer.ErrorCode
	}
	return kerr.ErrorForCode(code)
}
