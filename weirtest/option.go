package weirtest

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

// An Option of Op, Op2, Run or Start.
type Option func(*config)

type config struct {
	partitions []int
	settings   map[string]string
	interval   time.Duration
	ordered    bool
	keepInputs bool
	equal      []any // functions of two elements of one type
	failures   int
	kills      bool
	failsWith  string

	inputs  []func(ssc *dstream.Context) error
	answers []func() answer
	batches int // the least number of batches that are run
	err     error
}

func configure(opts []Option) *config {
	c := &config{interval: time.Second, settings: map[string]string{}}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// Input has the stream that was Named so give these batches, one after the other, then empty ones. It may be an input
// of any kind, or a stream made from inputs: then those are left out of the run, unless something else reads them.
func Input[T any](name string, batches ...[]T) Option {
	return func(c *config) {
		c.batches = max(c.batches, len(batches))
		c.inputs = append(c.inputs, func(ssc *dstream.Context) error {
			d, err := dstream.Find[T](ssc, name)
			if err != nil {
				return err
			}
			return dstream.Substitute(d, dstream.Source[T](&memory[T]{batches, c.failures}))
		})
	}
}

// KeepInputs allows inputs that Input does not replace, for programs whose own sources are in memory, or are files of
// the test's.
func KeepInputs() Option { return func(c *config) { c.keepInputs = true } }

// Want has the stream that was Named so hold these elements in the first batches, and none in those that follow. A
// batch in which the stream has no RDD, between the slides of a window, counts as empty.
func Want[T any](name string, batches ...[]T) Option {
	return func(c *config) {
		c.batches = max(c.batches, len(batches))
		c.answers = append(c.answers, func() answer { return &expectation[T]{name: name, want: batches} })
	}
}

// Collect has *into hold what the stream that was Named so gave in each batch: for what Want cannot say. With Start it
// may be read whenever Advance has returned.
func Collect[T any](name string, into *[][]T) Option {
	return func(c *config) {
		c.answers = append(c.answers, func() answer {
			*into = nil
			return &expectation[T]{name: name, into: into}
		})
	}
}

// Partitions sets with how many partitions inputs and shuffles run, one run for each number, instead of 1, 2 and 7.
func Partitions(ns ...int) Option {
	return func(c *config) {
		c.partitions = ns
		if slices.ContainsFunc(ns, func(n int) bool { return n < 1 }) {
			c.err = fmt.Errorf("Partitions needs numbers of at least 1, not %v", ns)
		}
	}
}

// Ordered compares the elements of a batch in their order, partition after partition. Without it a batch is a bag:
// the order in it does not matter, but how often an element occurs does.
func Ordered() Option { return func(c *config) { c.ordered = true } }

// Interval sets the batch interval, a second without it.
func Interval(d time.Duration) Option { return func(c *config) { c.interval = d } }

// Set gives a setting its value. One that a row would try both ways, such as weir.honest, has this value only.
func Set(name, value string) Option { return func(c *config) { c.settings[name] = value } }

// EqualFunc has values of type T compared by f, whether they are the elements or inside of them: for numbers that may
// differ a little. Other values are equal if all that they hold is; a nil slice or map is as an empty one, NaN is NaN,
// and a type with a method Equal decides itself.
func EqualFunc[T any](f func(got, want T) bool) Option {
	return func(c *config) { c.equal = append(c.equal, f) }
}

// FailTasks has tasks fail n times before they work, so that a test shows what a function does when it is called again:
// those that read inputs given in memory, and those whose elements are compared. Each fails when its first element has
// gone through it. spark.task.maxFailures is raised to n+1 if it is less.
func FailTasks(n int) Option { return func(c *config) { c.failures = n } }

// Fails wants the program to fail with an error that contains text: at its start, or in a batch. What the batches
// before gave is compared as far as it is wanted.
func Fails(text string) Option { return func(c *config) { c.failsWith = text } }

// conf gives the settings of one run.
func (c *config) conf(m mode) *conf.Conf {
	s := conf.New().Set("spark.master", "local[2]").
		Set("spark.default.parallelism", strconv.Itoa(m.partitions)).Set("weir.honest", strconv.FormatBool(m.honest))
	for name, value := range c.settings {
		s.Set(name, value)
	}
	if c.failures > 0 && conf.TaskMaxFailures.Get(s) <= c.failures {
		s.Set("spark.task.maxFailures", strconv.Itoa(c.failures+1))
	}
	return s
}
