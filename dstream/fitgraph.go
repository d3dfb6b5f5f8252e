package dstream

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
)

// operators tells in what the graph differs from that of a plan. Of what differs only because something that it is made
// from does, nothing is told.
func (f *fitting) operators(split *checkpoint.Split) (changes []Change) {
	was, now := split.Operators, f.ssc.operators()
	if len(was) == 0 {
		return nil
	}
	interval := f.ssc.interval
	for _, o := range was {
		if len(o.From) == 0 {
			interval = time.Duration(o.Slide) * time.Millisecond
		}
	}
	if interval != f.ssc.interval {
		changes = append(changes, Change{"setting", conf.Interval.Name(), changed,
			fmt.Sprintf("was %v, is %v", interval, f.ssc.interval)})
	}
	gone, fresh := roots(was, now), roots(now, was)
	for _, o := range gone {
		if i := slices.IndexFunc(fresh, func(n int) bool { return sameButName(was, o, now, n) }); i >= 0 {
			changes = append(changes, Change{"operator", was[o].ID, renamed, fmt.Sprintf("%q", now[fresh[i]].ID)})
			fresh = slices.Delete(fresh, i, i+1)
			continue
		}
		changes = append(changes, Change{"operator", was[o].ID, removed, ""})
	}
	for _, n := range fresh {
		changes = append(changes, Change{"operator", now[n].ID, added, now[n].Op + " at " +
			f.ssc.nodes[n].site.String()})
	}
	for n, o := range now {
		if old := find(was, o.ID); old >= 0 {
			ticks := was[old].Slide == interval.Milliseconds() && o.Slide == f.ssc.interval.Milliseconds()
			if what := alike(was, old, now, n, ticks); what != "" {
				changes = append(changes, Change{"operator", o.ID, changed, what})
			}
		}
	}
	return changes
}

// longer finds windows that look back further than they did, once the log has forgotten batches: what is older than
// what the shorter ones needed is in no pane any more.
func (f *fitting) longer(split *checkpoint.Split) (changes []Change) {
	if f.found.Released < 0 {
		return nil
	}
	for _, o := range f.ssc.operators() {
		old := find(split.Operators, f.before(o.ID))
		if old < 0 || split.Operators[old].LooksBack == 0 || split.Operators[old].LooksBack >= o.LooksBack {
			continue
		}
		was, is := time.Duration(split.Operators[old].LooksBack), time.Duration(o.LooksBack)
		changes = append(changes, Change{"window", o.ID, changed, fmt.Sprintf("looked back %v, and looks back %v: "+
			"until it has run as long as that, it lacks what the checkpoint does not hold any more",
			was*time.Millisecond, is*time.Millisecond)})
	}
	return changes
}

// known leaves out what is told of as an input, a state or an output already.
func (f *fitting) known(changes []Change) []Change {
	return slices.DeleteFunc(changes, func(c Change) bool {
		same := func(told Change) bool { return told.Name == c.Name && told.What == c.What }
		return slices.ContainsFunc(f.changes, same)
	})
}

func find(list []checkpoint.Operator, id string) int {
	return slices.IndexFunc(list, func(o checkpoint.Operator) bool { return o.ID == id })
}

// roots are the operators of a that are not in b, and whose parents all are.
func roots(a, b []checkpoint.Operator) (places []int) {
	for i, o := range a {
		missing := func(p int) bool { return find(b, a[p].ID) < 0 }
		if find(b, o.ID) < 0 && !slices.ContainsFunc(o.From, missing) {
			places = append(places, i)
		}
	}
	return places
}

// sameButName tells that two operators are the same but for their ids.
func sameButName(was []checkpoint.Operator, o int, now []checkpoint.Operator, n int) bool {
	return was[o].Op == now[n].Op && was[o].Type == now[n].Type && slices.Equal(parents(was, o), parents(now, n))
}

func parents(list []checkpoint.Operator, i int) (ids []string) {
	for _, p := range list[i].From {
		ids = append(ids, list[p].ID)
	}
	return ids
}

// alike says in what two operators of one id differ; ticks tells that both have a slide of the batch interval.
func alike(was []checkpoint.Operator, o int, now []checkpoint.Operator, n int, ticks bool) string {
	a, b := was[o], now[n]
	kind := func(o checkpoint.Operator) string {
		if o.Type == "" {
			return o.Op
		}
		return o.Op + " of " + o.Type
	}
	switch {
	case a.Op != b.Op || a.Type != b.Type:
		return fmt.Sprintf("was %s, is %s", kind(a), kind(b))
	case a.Slide != b.Slide && !ticks:
		return fmt.Sprintf("had a slide of %d ms, has one of %d ms", a.Slide, b.Slide)
	}
	before, after := parents(was, o), parents(now, n)
	lost := func(id string) bool { return find(now, id) < 0 }
	fresh := func(id string) bool { return find(was, id) < 0 }
	if slices.Equal(before, after) || slices.ContainsFunc(before, lost) || slices.ContainsFunc(after, fresh) {
		return "" // What it was made from has gone, or is new: that is told.
	}
	return fmt.Sprintf("was made from %q, is made from %q", before, after)
}

// partitions tells in what keys are dealt otherwise than a plan says.
func (f *fitting) partitions(was *checkpoint.Split) (changes []Change) {
	now := f.ssc.split()
	if a, b := was.Partitions[defaultPartitions], now.Partitions[defaultPartitions]; a != b && a > 0 {
		changes = append(changes, Change{"setting", conf.Parallelism.Name(), changed,
			fmt.Sprintf("was %d, is %d", a, b)})
	}
	count := func(what string, id string, a, b int) {
		if a != b {
			changes = append(changes, Change{what, id, changed, fmt.Sprintf("had %s, has %s", partsText(a),
				partsText(b))})
		}
	}
	for _, o := range was.Operators {
		if find(now.Operators, o.ID) < 0 {
			continue
		}
		id := splitID(o.ID)
		count("operator", o.ID, was.Partitions[id], now.Partitions[id])
		if a, b := was.Partitioners[id], now.Partitioners[id]; a != b {
			changes = append(changes, Change{"operator", o.ID, changed,
				fmt.Sprintf("dealt keys by %s, deals them by %s", dealerText(a), dealerText(b))})
		}
	}
	for _, id := range names(was.Buckets) {
		if deal, there := now.Buckets[id]; there {
			count("state", id, was.Buckets[id].Partitions, deal.Partitions)
		}
	}
	return changes
}

func partsText(n int) string {
	switch n {
	case 0:
		return "as many partitions as " + conf.Parallelism.Name() + " says"
	case 1:
		return "1 partition"
	}
	return fmt.Sprintf("%d partitions", n)
}

func dealerText(partitioner string) string {
	if partitioner == "" {
		return "their hash"
	}
	return partitioner
}
