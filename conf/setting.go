package conf

import (
	"fmt"
	"strings"
)

// A Setting is one setting that acts, with values of type T. The exported variables of this package
// are all there are; they are not to be assigned to.
type Setting[T any] struct {
	name string
	kind kind[T]
	// unit is the unit of a bare number, one of the suffixes of ParseBytes or ParseDuration for
	// those kinds, else for the reader only.
	unit string
	def  T
	// defText says a default that is worked out, where def is only what Get returns for it.
	defText string
	doc     string
	why     string
	// check tells what is wrong with a parsed value, or nil if every one will do.
	check func(T) error
	// derive works out the value from others, given this one's and whether it was set; nil if
	// there is nothing to work out.
	derive func(c *Conf, v T, set bool) T
	// ignore says why a value that was given is passed over, or ""; nil if none ever is.
	ignore func(entry) string
	// idle says why this version passes every value over; "" if the setting acts.
	idle string
}

// Name returns the name under which the setting is set, such as "spark.default.parallelism".
func (s Setting[T]) Name() string { return s.name }

// Default returns the value of a setting that was not set. Where the default follows from other
// settings, [Setting.Get] works it out and Default does not.
func (s Setting[T]) Default() T { return s.def }

// Unit returns the unit of a bare number: "ms", "s" or "b" (bytes), in which a number without a
// suffix is read; "records/s", "times" and the like elsewhere; or "".
func (s Setting[T]) Unit() string { return s.unit }

// Doc returns what the setting does, in a sentence or two.
func (s Setting[T]) Doc() string { return s.doc }

// Get returns the setting's value in c, or its default. It is meant for a Conf that [Conf.Validate]
// has passed; a value that does not parse, or is refused, reads as the default.
func (s Setting[T]) Get(c *Conf) T {
	v, _, err := s.Lookup(c)
	if err != nil {
		return s.def
	}
	return v
}

// Lookup returns the setting's value, whether it was set rather than left to its default, and, as a
// [*Error], what is wrong with what it was set to. With an error the value is the default.
func (s Setting[T]) Lookup(c *Conf) (T, bool, error) {
	e, set := c.entry(s.name)
	if set && s.ignore != nil && s.ignore(e) != "" {
		set = false
	}
	v := s.def
	if set {
		var err error
		if v, err = s.read(e); err != nil {
			return s.def, true, c.errorAt(s.name, e, err)
		}
	}
	if s.derive != nil {
		v = s.derive(c, v, set)
	}
	return v, set, nil
}

// read turns the text of an entry into a value and holds it against the setting's rules.
func (s Setting[T]) read(e entry) (T, error) {
	var none T
	text := strings.TrimSpace(e.value)
	if s.kind.parse == nil {
		return none, fmt.Errorf("it is not a setting of this package")
	}
	if text == "" && s.kind.name != "string" {
		return none, fmt.Errorf("it is empty; remove it for the default, %s", s.defaultText())
	}
	v, err := s.kind.parse(text, s.unit)
	if err == nil && s.check != nil {
		err = s.check(v)
	}
	if err != nil {
		return none, fmt.Errorf("%w; the default is %s", err, s.defaultText())
	}
	return v, nil
}

func (s Setting[T]) defaultText() string {
	if s.defText != "" {
		return s.defText
	}
	if text := s.kind.format(s.def); text != "" {
		return text
	}
	return "empty"
}

// A definition is a Setting whose type does not matter.
type definition interface {
	Name() string
	describe() Description
	// verify returns why the entry's value is passed over, or what is wrong with it.
	verify(e entry) (ignored string, err error)
}

func (s Setting[T]) verify(e entry) (string, error) {
	if s.ignore != nil {
		if reason := s.ignore(e); reason != "" {
			return reason, nil
		}
	}
	_, err := s.read(e)
	return s.idle, err
}

func (s Setting[T]) describe() Description {
	if s.idle != "" {
		return Description{Name: s.name, Class: NoMeaning, Doc: s.idle}
	}
	return Description{
		Name: s.name, Class: Acts, Type: s.kind.name, Unit: s.unit, Values: s.kind.values,
		Default: s.defaultText(), Doc: s.doc, Why: s.why,
	}
}
