package kafka_test

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

// What is committed from outside makes a group, which is listed then.
func TestGroups(t *testing.T) {
	admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
		want := []kafka.GroupInfo{}
		for _, group := range []string{"one", "two"} {
			offsets := map[kafka.TopicPartition]int64{tp("a", 0): 7, tp("a", 1): 0}
			if err := a.CommitGroupOffsets(t.Context(), group, offsets); err != nil {
				t.Fatal(err)
			}
			want = append(want, kafka.GroupInfo{Name: group, State: "Empty"})
		}
		got, err := a.Groups(t.Context())
		if err != nil || !slices.EqualFunc(got, want, func(a, b kafka.GroupInfo) bool {
			return a.Name == b.Name && a.State == b.State
		}) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
		if got := c.Committed("two", "a"); got[0] != 7 || got[1] != 0 {
			t.Errorf("committed %v", got)
		}
		says(t, a.CommitGroupOffsets(t.Context(), "one", map[kafka.TopicPartition]int64{tp("b", 0): 1}), "no such topic or partition", "group one")
	}, nil, kfake.SeedTopics(2, "a"))
}

// A broker that does not answer is named, and brokers that know no groups are told of.
func TestGroupsErrors(t *testing.T) {
	admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
		c.ControlKey(int16(kmsg.ListGroups), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			resp := kreq.ResponseKind().(*kmsg.ListGroupsResponse)
			resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return resp, nil, true
		})
		_, err := a.Groups(t.Context())
		says(t, err, "list the groups of broker 0 at ")
	}, nil)
	admin(t, func(t *testing.T, _ *kafkatest.Cluster, a *kafka.Admin) {
		_, err := a.Groups(t.Context())
		says(t, err, "0.8.2", "cannot list groups")
	}, nil, kfake.MaxVersions(kversion.V0_8_2()))
}
