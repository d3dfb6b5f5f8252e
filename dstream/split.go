package dstream

import (
	"math/rand/v2"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// defaultPartitions is the place of the default parallelism among a split's partitions, and shufflePartitions that of
// shuffles within functions of the program that are not told a number: 0 for as many as upstream. Operators of these
// names have others.
const (
	defaultPartitions = "default"
	shufflePartitions = "default (shuffles)"
	ofOperator        = " (operator)"
)

// splitID is by what an operator of an id is known in a split.
func splitID(id string) string {
	if id == defaultPartitions || id == shufflePartitions {
		return id + ofOperator
	}
	return id
}

// split is what decides, but for the ranges, which record lands where.
func (ssc *Context) split() *checkpoint.Split {
	ids := ssc.operatorIDs()
	s := &checkpoint.Split{
		Fingerprint: ssc.fingerprint(),
		Operators:   ssc.operators(),
		Partitions:  map[string]int{},
		DealSeed:    ssc.dealSeed,
	}
	for _, n := range ssc.nodes {
		id := splitID(ids[n])
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
	p := ssc.parallelism()
	s.Partitions[defaultPartitions], s.Partitions[shufflePartitions] = p.Default, p.Shuffles
	for _, k := range ssc.states {
		if k.elements() {
			continue
		}
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
		list[i] = checkpoint.Operator{ID: ids[n], Op: n.op, Type: n.typ, Slide: n.slide.Milliseconds(),
			LooksBack: max(n.looksBack, n.holds).Milliseconds()}
		for _, p := range n.parents {
			list[i].From = append(list[i].From, places[p])
		}
	}
	return list
}

// takeDealing has keys be dealt as those of the batches that the checkpoint holds.
func (ssc *Context) takeDealing(found *checkpoint.State) error {
	width, seed := ssc.widthOf(found), dealSeedOf(found)
	if width == ssc.width && seed == ssc.dealSeed {
		return nil
	}
	ssc.width, ssc.dealSeed = width, seed
	for _, k := range ssc.states {
		if err := k.dealAnew(seed); err != nil {
			return err
		}
	}
	return nil
}

// dealSeedOf is the seed of the hash that deals keys. A checkpoint keeps, for its life, that of its first plan. It is
// drawn at random, for keys come from strangers, who could choose keys that all fall in one partition of a known hash;
// early releases took 0.
func dealSeedOf(found *checkpoint.State) uint64 {
	switch {
	case found.Split != nil:
		return found.Split.DealSeed
	case found.Planned.Sequence >= 0:
		return 0 // Those plans had no split.
	}
	return rand.Uint64()
}

// widthOf has shuffles that are not told a number of partitions keep that of the batches that are planned already,
// where no setting says one: the number of cores, from which it comes then, may be that of another machine. It stays so
// until the next start, for windows and states are dealt once in a process.
func (ssc *Context) widthOf(found *checkpoint.State) (width int) {
	width = ssc.sc.Parallelism().Default
	if _, set, _ := conf.Parallelism.Lookup(ssc.conf); !set && ssc.byDefault {
		for _, b := range found.Opened() {
			if b.Plan.Split != nil && b.Plan.Split.Partitions[defaultPartitions] > 0 {
				width = b.Plan.Split.Partitions[defaultPartitions]
			}
		}
	}
	return width
}

// parallelism is that of the batches that this process plans. The width of batches that are planned already is that of
// inputs, too, for a plan names one for all.
func (ssc *Context) parallelism() rdd.Parallelism {
	p := ssc.sc.Parallelism()
	if ssc.byDefault {
		p.Default = ssc.width
	}
	return p
}

// plannedParallelism is that of a plan. Logs of early releases do not say whether a setting said it: then it was if it
// is now.
func plannedParallelism(s *checkpoint.Split, now rdd.Parallelism) rdd.Parallelism {
	n := s.Partitions[defaultPartitions]
	if n == 0 {
		return now
	}
	p := rdd.Parallelism{Default: n}
	shuffles, said := s.Partitions[shufflePartitions]
	switch {
	case said:
		p.Shuffles = shuffles
	case now.Shuffles > 0:
		p.Shuffles = n
	}
	return p
}

// sayWidth tells that the settings do not decide the width yet.
func (ssc *Context) sayWidth() {
	if now := ssc.sc.Parallelism().Default; now != ssc.width && ssc.byDefault {
		ssc.logger.Info("shuffles keep the number of partitions of a batch that is planned already, until the next "+
			"start", "partitions", ssc.width, "instead", now)
	}
}
