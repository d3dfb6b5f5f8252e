package simulate

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/rdd"
)

// An operator is one of dstream's, with the types of its elements fixed, beside its definition.
type operator struct {
	name string
	in   []kind
	out  kind
	// variants names what Step.Variant may be; needs is the order that the definition of each wants its inputs to have.
	variants []string
	needs    []order
	gives    func(in []order) order
	// windowed operators look back: their definition is given what the input had over the window's length.
	windowed bool
	// remembers says that the definition is given all batches so far, timed that missed times are not merged.
	remembers, timed bool

	shuffles bool // takes the options that Step.Deal stands for
	weight   int

	live       func(x *execution, s *Step, in []any) any
	definition func(s *Step, in []any) any
}

func one[T, U any](name string, live func(x *execution, s *Step, d *stream[T]) *stream[U],
	definition func(s *Step, in []T) []U,
) *operator {
	return &operator{name: name, in: []kind{kindOf[T]{}}, out: kindOf[U]{}, gives: nothing, weight: 4,
		live:       func(x *execution, s *Step, in []any) any { return live(x, s, in[0].(*stream[T])) },
		definition: func(s *Step, in []any) any { return definition(s, in[0].([]T)) },
	}
}

func two[T, U, V any](name string, live func(x *execution, s *Step, a *stream[T], b *stream[U]) *stream[V],
	definition func(s *Step, a []T, b []U) []V,
) *operator {
	return &operator{name: name, in: []kind{kindOf[T]{}, kindOf[U]{}}, out: kindOf[V]{}, gives: nothing, weight: 4,
		live: func(x *execution, s *Step, in []any) any {
			return live(x, s, in[0].(*stream[T]), in[1].(*stream[U]))
		},
		definition: func(s *Step, in []any) any { return definition(s, in[0].([]T), in[1].([]U)) },
	}
}

// What is defined of the order of an operator's output.

func nothing([]order) order { return bag }

func all([]order) order { return list }

func ofKeys([]order) order { return byKey }

// kept is the order that all inputs have.
func kept(in []order) order { return slices.Min(in) }

// keptInKeys is what operators leave of it that keep each key's values in order.
func keptInKeys(in []order) order { return min(kept(in), byKey) }

// onlyAll is left by those that touch keys: less than all is lost.
func onlyAll(in []order) order {
	if kept(in) == list {
		return list
	}
	return bag
}

func (o *operator) giving(f func(in []order) order) *operator {
	o.gives = f
	return o
}

func (o *operator) needing(needs order, variants ...string) *operator {
	for _, v := range variants {
		o.variants, o.needs = append(o.variants, v), append(o.needs, needs)
	}
	return o
}

// folded has a variant for each of the functions; those that are not commutative need an order.
func folded[T any](o *operator, fs []folding[T], ordered order) *operator {
	for _, f := range fs {
		needs := bag
		if f.ordered {
			needs = ordered
		}
		o.needing(needs, f.name)
	}
	return o
}

func (o *operator) window() *operator {
	o.windowed = true
	return o
}

func (o *operator) shuffle() *operator {
	o.shuffles = true
	return o
}

func (o *operator) often(weight int) *operator {
	o.weight = weight
	return o
}

// operators are all there are, made once: the values hold nothing that runs.
var operators = sync.OnceValue(func() []*operator {
	// Each further type of elements takes the compiler seconds and hundreds of megabytes: these have keys of both the
	// table's kinds, values with pointers and without, lists that functions write to, and a struct as a key.
	all := slices.Concat(
		ofTexts(), ofAny[string](), ofAny[int](), ofAny[pair[string, int]](), ofAny[pair[int, string]](),
		ofComparable[string](), ofComparable[pair[string, int]](),
		ofPairs[string, int](), ofPairs[int, string](),
		statesByKey[string, int](), statesByKey[int, string](),
		ofGroups[string, int](), ofGroups[int, string](),
	)
	for _, o := range all {
		if o.variants == nil {
			o.needing(bag, "")
		}
	}
	return all
})

// A Step is a vertex of a graph: an operator, the steps whose streams it is given, and what else it is told.
type Step struct {
	op *operator
	In []int
	// Variant chooses among the operator's functions, Seed varies those that take any number.
	Variant, Seed int
	// Deal is what a shuffle is told: 0 nothing, n partitions, or for -n a partitioner of n partitions.
	Deal int
	// Length and Slide are a window's, in batch intervals; a Slide of 0 is the stream's own.
	Length, Slide int
	// Level is how the stream is persisted.
	Level rdd.StorageLevel

	input *input // of a step without operator

	// What follows from the steps before: the slide in intervals, the order, and whether the definition says at all
	// what the stream holds.
	slide   int
	order   order
	defined bool
}

func (s *Step) length(x *execution) (length, slide time.Duration) {
	return time.Duration(s.Length) * x.interval, time.Duration(s.Slide) * x.interval
}

// String shows the step without its number.
func (s *Step) String() string {
	out := fmt.Sprintf("input of %v", s.input)
	if s.op != nil {
		out = s.op.name + "("
		for i, p := range s.In {
			if i > 0 {
				out += ", "
			}
			out += fmt.Sprintf("s%d", p)
		}
		out += ")"
		if v := s.op.variants[s.Variant]; v != "" {
			out += " " + v
		}
		out += fmt.Sprintf(" seed %d", s.Seed)
	}
	if s.op != nil && s.op.windowed {
		out += fmt.Sprintf(" length %d slide %d", s.Length, s.Slide)
	}
	switch {
	case s.Deal > 0:
		out += fmt.Sprintf(" into %d", s.Deal)
	case s.Deal < 0:
		out += fmt.Sprintf(" by a partitioner of %d", -s.Deal)
	}
	if s.Level != rdd.NotPersisted {
		out += " " + s.Level.String()
	}
	return out
}

// uneven is a partitioner of a user's: two of the same number of partitions are equal.
type uneven[K any] struct{ n int }

// NumPartitions implements rdd.Partitioner.
func (u uneven[K]) NumPartitions() int { return u.n }

// Partition implements rdd.Partitioner.
func (u uneven[K]) Partition(k K) int { return len(text(k)) % u.n }

func deal[K comparable](s *Step) []rdd.ShuffleOption {
	switch {
	case s.Deal > 0:
		return []rdd.ShuffleOption{rdd.Partitions(s.Deal)}
	case s.Deal < 0:
		return []rdd.ShuffleOption{rdd.PartitionBy[K](uneven[K]{-s.Deal})}
	}
	return nil
}

// variant names the operator with the kinds of its elements and one of its functions.
func (o *operator) variant(i int) string { return fmt.Sprint(o.name, o.in, o.out, " ", o.variants[i]) }
