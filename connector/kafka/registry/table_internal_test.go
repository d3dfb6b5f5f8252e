package registry

import (
	"maps"
	"slices"
	"testing"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// The Kafka client, which may be given the same parameters, knows the names of this table.
func TestTheKafkaClientKnowsTheTable(t *testing.T) {
	names := slices.Sorted(maps.Keys(table))
	if got := slices.Sorted(slices.Values(client.RegistryNames)); !slices.Equal(got, names) {
		t.Errorf("the Kafka client knows\n%v\nthe table has\n%v", got, names)
	}
}
