package rdd

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/weirstream/weir/internal/exec"
)

// A Dependency is an RDD that another one is computed from.
type Dependency struct {
	// ID is the RDD's number, Op and Site what made it, Name what the user called it.
	ID             int
	Op, Site, Name string
	Partitions     int
	// Shuffle tells that it is read through a shuffle; otherwise it is computed in the same tasks.
	Shuffle bool
}

// Dependencies lists what r is computed from, the RDDs of the same tasks first. After a checkpoint that is the
// checkpoint alone.
func (r *RDD[T]) Dependencies() (all []Dependency) {
	for _, d := range dependencies(r.node) {
		n := d.node
		all = append(all, Dependency{ID: n.ID, Op: n.Op, Site: n.Site.String(), Name: n.Name, Partitions: n.Partitions,
			Shuffle: d.shuffle})
	}
	return all
}

type dependency struct {
	node    *exec.Node
	shuffle bool
}

func dependencies(n *exec.Node) (all []dependency) {
	deps := n.Deps()
	for _, p := range deps.Narrow {
		all = append(all, dependency{p, false})
	}
	for _, sh := range deps.Shuffles {
		all = append(all, dependency{sh.Parent, true})
	}
	return all
}

// DebugString draws what r is computed from, in the form of Spark's toDebugString: a line for each RDD, with the number
// of partitions where a stage begins, and a level of indentation for each shuffle; how it is persisted, and what is
// kept of it. It runs no job. What several RDDs are computed from is drawn for each.
func (r *RDD[T]) DebugString() string {
	d := drawing{kept: map[int]PersistentRDD{}}
	for _, p := range r.sc.PersistentRDDs() {
		d.kept[p.ID] = p
	}
	count := fmt.Sprintf("(%d)", r.node.Partitions)
	next := bar(count)
	for i, line := range d.describe(r.node) {
		if i == 0 {
			d.lines = append(d.lines, count+" "+line)
		} else {
			d.lines = append(d.lines, next+" "+line)
		}
	}
	d.children(r.node, next)
	return strings.Join(d.lines, "\n")
}

// A drawing collects the lines of a DebugString.
type drawing struct {
	kept  map[int]PersistentRDD
	lines []string
}

// describe gives the lines of an RDD itself.
func (d *drawing) describe(n *exec.Node) []string {
	line := fmt.Sprintf("%s[%d] at %s", n.Op, n.ID, n.Site)
	if n.Name != "" {
		line = n.Name + " " + line
	}
	p, kept := d.kept[n.ID]
	if !kept {
		return []string{line + " []"}
	}
	lines := []string{fmt.Sprintf("%s [%s]", line, p.Level.description())}
	if p.Cached > 0 {
		lines = append(lines, fmt.Sprintf("    CachedPartitions: %d; MemorySize: %s; DiskSize: %s", p.Cached,
			sizeText(p.Memory), sizeText(p.Disk)))
	}
	return lines
}

// children draws what n is computed from, below prefix.
func (d *drawing) children(n *exec.Node, prefix string) {
	deps := dependencies(n)
	for i, dep := range deps {
		if dep.shuffle {
			d.stage(dep.node, prefix, i == len(deps)-1)
			continue
		}
		for _, line := range d.describe(dep.node) {
			d.lines = append(d.lines, prefix+line)
		}
		d.children(dep.node, prefix)
	}
}

var lastBar = regexp.MustCompile(`\|\s+$`)

// stage draws an RDD beyond a shuffle, a level deeper.
func (d *drawing) stage(n *exec.Node, prefix string, last bool) {
	count := fmt.Sprintf("(%d)", n.Partitions)
	here := lastBar.ReplaceAllString(prefix, "")
	next := here + "| " + bar(count)
	if last {
		next = here + "  " + bar(count)
	}
	for i, line := range d.describe(n) {
		if i == 0 {
			d.lines = append(d.lines, here+"+-"+count+" "+line)
		} else {
			d.lines = append(d.lines, next+line)
		}
	}
	d.children(n, next)
}

// bar stands below the middle of a number of partitions.
func bar(count string) string {
	left := (len(count) - 1) / 2
	return strings.Repeat(" ", left) + "|" + strings.Repeat(" ", len(count)-left)
}

// description is the level in Spark's words.
func (l StorageLevel) description() string {
	var words []string
	if l.Disk {
		words = append(words, "Disk")
	}
	if l.Memory {
		words = append(words, "Memory")
	}
	if l.Serialized {
		words = append(words, "Serialized")
	} else {
		words = append(words, "Deserialized")
	}
	return strings.Join(append(words, "1x Replicated"), " ")
}

// sizeText is a number of bytes as Spark writes it: in the largest unit of which there are two.
func sizeText(n int64) string {
	size, unit := float64(n), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		if size < 2*1024 {
			break
		}
		size, unit = size/1024, larger
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}
