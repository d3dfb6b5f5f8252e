package kafka

import (
	"fmt"
	"testing"
)

func TestLocations(t *testing.T) {
	leaders := map[TopicPartition]string{{"t", 0}: "a", {"t", 1}: "b"}
	fixed := map[TopicPartition]string{{"t", 1}: "c"}
	pieces := []piece{pieceOf(0, 0, 1), pieceOf(1, 0, 1), pieceOf(2, 0, 1)}
	for _, row := range []struct {
		name string
		l    Location
		want string
	}{
		{"consistent", PreferConsistent(), "anywhere"},
		{"the leaders, where they are known", PreferBrokers(), "[[a] [b] []]"},
		{"fixed", PreferFixed(fixed), "[[] [c] []]"},
	} {
		got := "anywhere"
		if f := row.l.hosts(leaders, pieces); f != nil {
			var hosts [][]string
			for i := range pieces {
				hosts = append(hosts, f(i))
			}
			got = fmt.Sprint(hosts)
		}
		if got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	mine := PreferFixed(fixed)
	fixed[TopicPartition{"t", 1}] = "changed"
	if got := fmt.Sprint(mine.hosts(nil, pieces)(1)); got != "[c]" {
		t.Errorf("a map that was changed afterwards gives %s", got)
	}
	o := OffsetRange{Topic: "t", Partition: 1, FromOffset: 2, UntilOffset: 5}
	if got := fmt.Sprint(o, o.Count(), o.TopicPartition()); got != "OffsetRange(topic: 't', partition: 1, range: [2 -> 5]) 3 t-1" {
		t.Errorf("a range prints as %s", got)
	}
}
