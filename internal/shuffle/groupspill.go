package shuffle

// A dealt is the rows of all sides of a group, dealt to splits by a hash of their keys.
type dealt[K comparable] struct {
	sp    *Space
	level int
	hash  splitter[K]
	file  *spool
	next  uint64     // position of the next row
	sides [][]placed // by side, then by split
}

func newDealt[K comparable](g *Groups[K], level int) *dealt[K] {
	return &dealt[K]{sp: g.sp, level: level, hash: newSplitter[K](), file: g.sp.spool()}
}

// split gives the rows of a side in a split.
func (d *dealt[K]) split(side, p int) *placed {
	for len(d.sides) <= side {
		list := make([]placed, fanOut)
		for i := range list {
			list[i].to = d.file
		}
		d.sides = append(d.sides, list)
	}
	return &d.sides[side][p]
}

func dealRow[K comparable, V any](d *dealt[K], side int, pos uint64, w Wire[K, V], k *K, v *V) {
	to := d.split(side, d.hash.of(*k))
	raw, err := w.append(to.at(pos), k, v)
	d.sp.must(err)
	d.sp.must(to.end(raw))
}

// finish ends a side.
func (d *dealt[K]) finish(side int) error {
	for p := range fanOut {
		if err := d.split(side, p).finish(); err != nil {
			return err
		}
	}
	return nil
}

// parts lists the splits that have rows.
func (d *dealt[K]) parts() (list []int) {
	for p := range fanOut {
		for _, side := range d.sides {
			if side[p].rows > 0 {
				list = append(list, p)
				break
			}
		}
	}
	return list
}

// eachDealt groups the splits, one at a time, and yields the keys by their positions. Their values are the current ones
// of the sides meanwhile.
func (g *Groups[K]) eachDealt(d *dealt[K], yield func(pos uint64, k K) bool) {
	g.sp.must(d.file.flush())
	parts := d.parts()
	if len(parts) == 1 { // What cannot be divided is grouped whatever it takes.
		g.regroup(d, parts[0], true, yield)
		_ = d.file.Close()
		return
	}
	runs := g.sp.spool()
	list := make([]placed, len(parts))
	for i, p := range parts {
		run := &list[i]
		run.to = runs
		g.regroup(d, p, d.level >= levelMax, func(pos uint64, k K) bool {
			raw, err := g.keys.Append(run.at(pos), &k)
			for _, s := range g.sides {
				g.sp.must(err)
				raw, err = s.write(raw)
			}
			g.sp.must(err)
			g.sp.must(run.end(raw))
			return true
		})
		g.sp.must(run.finish())
	}
	_ = d.file.Close()
	g.sp.must(runs.flush())
	mergePlaced(g.sp, runs, list, func(pos uint64, src []byte) ([]byte, bool, error) {
		k, rest, err := g.keys.DecodeAlias(src)
		for _, s := range g.sides {
			if err != nil {
				return nil, false, err
			}
			rest, err = s.read(rest)
		}
		return rest, err == nil && yield(pos, k), err
	})
	_ = runs.Close()
}

// A loading is the keys of a split that is in memory.
type loading[K comparable] struct {
	numbers *Table[K, uint32]
	first   []uint64 // where each key's first row was
}

// regroup groups split p in memory, or by way of splits of its own if it does not fit.
func (g *Groups[K]) regroup(d *dealt[K], p int, force bool, yield func(pos uint64, k K) bool) {
	held := g.sp.share()
	defer held.Close()
	if need := g.need(d, p); !held.Reach(need) {
		if !force {
			_ = held.Close()
			deeper := newDealt(g, d.level+1)
			for _, s := range g.sides {
				s.pass(d, p, deeper)
			}
			g.eachDealt(deeper, yield)
			return
		}
		held.Force(need)
	}
	l := &loading[K]{numbers: NewTable[K, uint32](nil)}
	for _, s := range g.sides {
		s.load(d, p, l)
	}
	g.sp.must(l.numbers.Err())
	for k, n := range l.numbers.AllPtr() {
		for _, s := range g.sides {
			s.show(int(*n))
		}
		if !yield(l.first[*n], k) {
			return
		}
	}
}

// loadedRow is about what a row of a split takes in memory beside its encoding: places in the arrays, and its share of
// the table.
const loadedRow = 64

// need is about what a split takes in memory.
func (g *Groups[K]) need(d *dealt[K], p int) (bytes int64) {
	for _, side := range d.sides {
		bytes += int64(side[p].rows)*loadedRow + side[p].bytes
	}
	return bytes
}
