package realkafka

import "strconv"

// Kill ends a broker by SIGKILL, as a crash does. Nodes are counted from 1. With three nodes, partitions move
// to other leaders after about 3 s in KRaft mode and 6 s with ZooKeeper.
func (c *Cluster) Kill(node int) {
	c.t.Helper()
	c.call(nil, "kill", c.dir, strconv.Itoa(node))
}

// Stop ends a broker in an orderly way: it hands its partitions over first.
func (c *Cluster) Stop(node int) {
	c.t.Helper()
	c.call(nil, "stop", c.dir, strconv.Itoa(node))
}

// Up starts a broker again that was killed or stopped, with its data, and waits until it answers. After Kill
// that takes about 8 s with ZooKeeper, whose session must end first, and 12 s for a single KRaft broker.
func (c *Cluster) Up(node int) {
	c.t.Helper()
	c.call(nil, "up", c.dir, strconv.Itoa(node))
}
