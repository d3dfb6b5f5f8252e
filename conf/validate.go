package conf

import (
	"errors"
	"fmt"
	"strings"
)

// Validate returns everything that is wrong with c, or nil: names that are not known (each with the
// nearest known one), values that do not parse or are out of range, values that would do harm, and
// values that contradict each other. The parts of the joined error are [*Error].
func (c *Conf) Validate() error {
	var errs []error
	v := newVerifier(c)
	for _, name := range c.names() {
		if _, err := v.judge(name); err != nil {
			errs = append(errs, err)
		}
	}
	// Contradictions are looked for among right values only; a wrong one reads as its default here,
	// and has been told above.
	return errors.Join(append(errs, c.contradictions()...)...)
}

// A verifier holds the tables that one pass over a Conf needs.
type verifier struct {
	c       *Conf
	acting  map[string]definition
	known   map[string]known
	refused map[string]refused
}

func newVerifier(c *Conf) *verifier {
	v := &verifier{c: c, acting: map[string]definition{}, known: map[string]known{},
		refused: map[string]refused{}}
	for _, d := range definitions() {
		v.acting[d.Name()] = d
	}
	for _, k := range knownNames() {
		v.known[k.name] = k
	}
	for _, r := range refusedNames() {
		v.refused[r.name] = r
	}
	return v
}

// judge says of one name that has a value: it acts ("" and nil), it is passed over for a reason, or
// it is refused.
func (v *verifier) judge(name string) (ignored string, err error) {
	e, _ := v.c.entry(name)
	text := strings.TrimSpace(e.value)
	if d, ok := v.acting[name]; ok {
		if ignored, err = d.verify(e); err != nil {
			return "", v.c.errorAt(name, e, err)
		}
		return ignored, nil
	}
	if k, ok := v.known[name]; ok {
		if err := k.verify(text); err != nil {
			return "", v.c.errorAt(name, e, err)
		}
		return k.reason, nil
	}
	if r, ok := v.refused[name]; ok && (!r.onlyTrue || strings.EqualFold(text, "true")) {
		return "", v.c.errorAt(name, e, errors.New(r.reason))
	}
	if !closed(name) || strings.HasPrefix(name, "spark.task.resource.") {
		if like := misspelt(name); like != "" {
			return "", unknown(name, e, like)
		}
		if f, ok := familyOf(name); ok {
			return f.Reason, nil
		}
	}
	return "", unknown(name, e, nearest(name))
}

func unknown(name string, e entry, like string) *Error {
	reason := "weir knows no setting of this name"
	switch {
	case name == "":
		reason, like = "a setting needs a name", ""
	case !strings.HasPrefix(name, "spark.") && !strings.HasPrefix(name, "weir."):
		reason += " (all begin with spark. or weir.; parameters of Kafka's clients go into kafka.Params)"
	case like == "":
		reason += ": correct or remove it (weir settings lists all)"
	}
	return &Error{Name: name, Place: e.place, Reason: reason, Nearest: like}
}

// contradictions finds settings that are right one by one and cannot both hold.
func (c *Conf) contradictions() []error {
	var errs []error
	add := func(name, format string, args ...any) {
		if e, ok := c.entry(name); ok {
			errs = append(errs, c.errorAt(name, e, fmt.Errorf(format, args...)))
		}
	}
	low, high := KafkaMinRatePerPartition.Get(c), KafkaMaxRatePerPartition.Get(c)
	if high > 0 && low > high {
		add(KafkaMinRatePerPartition.Name(), "the least is above the most, %s=%d: lower this one or raise that",
			KafkaMaxRatePerPartition.Name(), high)
	}
	budget := MemoryBudget.Get(c)
	if budget <= 0 {
		return errs
	}
	if need := ReceiverMemory.Get(c); need > budget {
		add(MemoryBudget.Name(), "one receiver may take more than all, %s=%s: raise this one or lower that",
			ReceiverMemory.Name(), need)
	}
	if need := KafkaFetchBytes.Get(c); need > budget {
		add(MemoryBudget.Name(), "one fetch may take more than all, %s=%s: raise this one or lower that",
			KafkaFetchBytes.Name(), need)
	}
	return errs
}
