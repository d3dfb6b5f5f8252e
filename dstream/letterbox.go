package dstream

import (
	"cmp"
	"maps"
	"slices"

	"github.com/weirstream/weir/rdd"
)

// A letterPlace tells letters apart. Number is allRead for the mark that a partition was read to its end.
type letterPlace struct {
	batch     int64
	node      int
	partition int
	number    int64
}

const allRead = -1

type letter struct {
	at letterPlace
	DeadLetter
}

// A letterBox holds each letter once.
type letterBox struct {
	held map[letterPlace]DeadLetter
	read map[letterPlace]bool
	most int
	full bool // there were more
}

func newLetterBox(most int) *letterBox {
	return &letterBox{held: map[letterPlace]DeadLetter{}, read: map[letterPlace]bool{}, most: most}
}

// IsZero implements rdd.AccumulatorV2, as the others do.
func (x *letterBox) IsZero() bool { return len(x.held) == 0 && len(x.read) == 0 && !x.full }

// Copy gives a box with the same letters.
func (x *letterBox) Copy() rdd.AccumulatorV2[letter, *letterBox] { return x.clone() }

// Reset forgets all letters.
func (x *letterBox) Reset() { *x = *newLetterBox(x.most) }

// Add takes a letter, unless there are too many.
func (x *letterBox) Add(l letter) {
	switch _, there := x.held[l.at]; {
	case l.at.number == allRead:
		x.read[l.at] = true
	case !there && len(x.held) >= x.most:
		x.full = true
	default:
		x.held[l.at] = l.DeadLetter
	}
}

// Merge takes the letters of another box.
func (x *letterBox) Merge(other rdd.AccumulatorV2[letter, *letterBox]) {
	o := other.(*letterBox)
	x.full = x.full || o.full
	for at, l := range o.held {
		x.Add(letter{at, l})
	}
	maps.Copy(x.read, o.read)
}

// Value is a copy: a job that a body has begun and does not wait for may put letters in while the others are read.
func (x *letterBox) Value() *letterBox { return x.clone() }

func (x *letterBox) clone() *letterBox {
	return &letterBox{held: maps.Clone(x.held), read: maps.Clone(x.read), most: x.most, full: x.full}
}

// sorted lists the letters of a batch by operator and place.
func (x *letterBox) sorted(batch int64) (list []DeadLetter) {
	var places []letterPlace
	for at := range x.held {
		if at.batch == batch {
			places = append(places, at)
		}
	}
	slices.SortFunc(places, func(a, b letterPlace) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.partition, b.partition),
			cmp.Compare(a.number, b.number))
	})
	for _, at := range places {
		list = append(list, x.held[at])
	}
	return list
}
