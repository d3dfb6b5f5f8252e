package dstream

import (
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// defaultPartitions is the place of the default parallelism among a split's partitions, and ownDefault that of an
// operator of this name.
const (
	defaultPartitions = "default"
	ownDefault        = "default (operator)"
)

// split is what decides, but for the ranges, which record lands where.
func (ssc *Context) split() *checkpoint.Split {
	ids := ssc.operatorIDs()
	s := &checkpoint.Split{
		Fingerprint: ssc.fingerprint(),
		Operators:   ssc.operators(),
		Partitions:  map[string]int{},
	}
	for _, n := range ssc.nodes {
		id := ids[n]
		if id == defaultPartitions {
			id = ownDefault
		}
		parts, partitioner := rdd.DealingOf(n.deals...)
		if parts > 0 {
			s.Partitions[id] = parts
		}
		if partitioner != "" {
			if s.Partitioners == nil {
				s.Partitioners = map[string]string{}
			}
			s.Partitioners[id] = partitioner
		}
	}
	s.Partitions[defaultPartitions] = ssc.sc.DefaultParallelism()
	if ssc.byDefault {
		s.Partitions[defaultPartitions] = ssc.width
	}
	for _, k := range ssc.states {
		if s.Buckets == nil {
			s.Buckets = map[string]checkpoint.Deal{}
		}
		s.Buckets[ids[k.node]] = k.deal()
	}
	return s
}

// operators are the graph as the log has it.
func (ssc *Context) operators() []checkpoint.Operator {
	ids, places := ssc.operatorIDs(), map[*node]int{}
	list := make([]checkpoint.Operator, len(ssc.nodes))
	for i, n := range ssc.nodes {
		places[n] = i
		list[i] = checkpoint.Operator{ID: ids[n], Op: n.op, Type: n.typ, Slide: n.slide.Milliseconds()}
		for _, p := range n.parents {
			list[i].From = append(list[i].From, places[p])
		}
	}
	return list
}

// takeWidth has shuffles that are not told a number of partitions keep that of the batches that are planned already,
// where no setting says one: the number of cores, from which it comes then, may be that of another machine. It stays so
// until the next start, for windows and states are dealt once in a process.
func (ssc *Context) takeWidth(found *checkpoint.State) error {
	width := ssc.sc.DefaultParallelism()
	if _, set, _ := conf.Parallelism.Lookup(ssc.conf); !set && ssc.byDefault {
		for _, b := range found.Opened() {
			if b.Plan.Split != nil && b.Plan.Split.Partitions[defaultPartitions] > 0 {
				width = b.Plan.Split.Partitions[defaultPartitions]
			}
		}
	}
	if width == ssc.width {
		return nil
	}
	ssc.width = width
	for _, k := range ssc.states {
		if err := k.dealAnew(); err != nil {
			return err
		}
	}
	return nil
}

// keepWidth makes the width of the planned batches that of inputs, too, for the plans that come name one for all.
func (ssc *Context) keepWidth() {
	now := ssc.sc.DefaultParallelism()
	if now == ssc.width || !ssc.byDefault {
		return
	}
	ssc.logger.Info("shuffles keep the number of partitions of a batch that is planned already, until the next start",
		"partitions", ssc.width, "instead", now)
	ssc.durable.ownWidth = now
	ssc.sc.SetDefaultParallelism(ssc.width)
}

// giveWidthBack leaves the rdd.Context, which may serve others, as it was.
func (ssc *Context) giveWidthBack() {
	if ssc.durable.ownWidth > 0 {
		ssc.sc.SetDefaultParallelism(ssc.durable.ownWidth)
	}
}
