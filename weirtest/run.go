package weirtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weirstream/weir/dstream"
)

// Run tests a build function as it stands, such as the one given to weir.Main: streams that it gave names are replaced
// by batches in memory ([Input]) and must hold the wanted elements in each batch ([Want]). It runs for as many batches
// as the longest of the lists, in each of the modes of Op, and build is called once for each. Outputs of the program
// run too; what it prints is dropped.
//
// Each input must be replaced, for there is no network in a bubble: Run fails a program with one that is not, unless
// it is in memory anyway or KeepInputs allows it. Called in a bubble, as beside a cluster of kafkatest, it allows all,
// and runs the program once and there.
func Run(t testing.TB, build func(*dstream.Context) error, opts ...Option) {
	t.Helper()
	c := configure(opts)
	if c.batches == 0 && c.failsWith == "" {
		c.err = errors.Join(c.err, errors.New("there is no batch to run: say what streams give with Input, "+
			"and what they must hold with Want"))
	}
	inModes(t, c, func(t testing.TB, m mode) error {
		answers := c.newAnswers()
		return runOnce(t, c, m, answers, func(ssc *dstream.Context) error {
			if err := c.build(ssc, build, answers); err != nil || !m.own || c.keepInputs {
				return err
			}
			return inMemory(ssc)
		})
	})
}

// inMemory refuses a program that would ask something outside of the test's bubble.
func inMemory(ssc *dstream.Context) error {
	var errs []error
	for _, in := range ssc.Inputs() {
		if in.Substituted || in.Op == "queueStream" {
			continue
		}
		errs = append(errs, fmt.Errorf("%s: the input %s is not replaced: name it, or a stream made from it, with "+
			"Named and give that Input; or call Run in a bubble of your own, beside what the input reads, such as a "+
			"cluster of kafkatest", in.Site, in.Name))
	}
	return errors.Join(errs...)
}

func (c *config) newAnswers() (answers []answer) {
	for _, newAnswer := range c.answers {
		answers = append(answers, newAnswer())
	}
	return answers
}

// build makes the graph, then replaces inputs and watches answers.
func (c *config) build(ssc *dstream.Context, build func(*dstream.Context) error, answers []answer) error {
	if build == nil {
		return errors.New("there is no build function, but nil")
	}
	if err := build(ssc); err != nil {
		return fmt.Errorf("the build function: %w", err)
	}
	var errs []error
	for _, in := range c.inputs {
		errs = append(errs, in(ssc))
	}
	for _, a := range answers {
		errs = append(errs, a.attach(ssc, c))
	}
	return errors.Join(errs...)
}

// runOnce runs a program for all its batches and tells what was wrong.
func runOnce(t testing.TB, c *config, m mode, answers []answer, build func(*dstream.Context) error) error {
	if m.kill > 0 {
		return runKilled(t, c, m, answers, build)
	}
	p, err := launch(t, c, m, answers, build)
	if err == nil {
		err = p.finish(p.advance(max(c.batches, 1)))
	}
	return c.judge(err, answers, c.batches)
}
