package kafka

import "maps"

// A Location says on which host of a cluster a partition is best read: a preference, nothing more.
type Location struct {
	brokers bool
	fixed   map[TopicPartition]string
}

// PreferConsistent spreads the partitions evenly. It is the default.
func PreferConsistent() Location { return Location{} }

// PreferBrokers reads each partition on the host of its leader, where tasks run on the brokers' hosts.
func PreferBrokers() Location { return Location{brokers: true} }

// PreferFixed reads the given partitions on the given hosts and spreads the others evenly.
func PreferFixed(hosts map[TopicPartition]string) Location { return Location{fixed: maps.Clone(hosts)} }

// hosts gives the preferred hosts of each of the pieces.
func (l Location) hosts(leaders map[TopicPartition]string, pieces []piece) func(p int) []string {
	if !l.brokers && len(l.fixed) == 0 {
		return nil
	}
	return func(p int) []string {
		tp := pieces[p].tp()
		if h, ok := l.fixed[tp]; ok {
			return []string{h}
		}
		if h, ok := leaders[tp]; ok && l.brokers {
			return []string{h}
		}
		return nil
	}
}
