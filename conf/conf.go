package conf

import (
	"iter"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A Conf is a set of named values. The zero Conf is empty and ready to use; a nil *Conf may be read,
// and reads as empty. A Conf may be read by many goroutines, but not while one of them changes it:
// whoever keeps a Conf that was handed in keeps a [Conf.Clone].
type Conf struct {
	entries map[string]entry
}

// An entry is one value and where it was given.
type entry struct {
	value string
	// place is shown before an error: file:line of the properties file or of the call of Set, or
	// the flag.
	place string
	// file tells a value of a properties file, which other programs share, from one that was meant
	// for this program.
	file bool
}

// New returns an empty Conf: every setting has its default.
func New() *Conf { return &Conf{entries: map[string]entry{}} }

// Set gives a setting a value, replacing the one it had, and returns c so that calls chain. Nothing
// is checked here; the file and line of the call are kept, so that [Conf.Validate] can name them.
func (c *Conf) Set(name, value string) *Conf {
	place := ""
	if _, file, line, ok := runtime.Caller(1); ok {
		place = file + ":" + strconv.Itoa(line)
	}
	return c.put(name, entry{value: value, place: place})
}

// SetFrom is [Conf.Set] for a value that does not stand in the program's text, such as a flag's:
// errors name the given place instead of the caller's file and line.
func (c *Conf) SetFrom(place, name, value string) *Conf {
	return c.put(name, entry{value: value, place: place})
}

// SetPair takes a "name=value", as spark-submit's --conf does. Spaces around the name are dropped,
// the value is taken as it is. It fails if there is no "=" or no name; what the name and value mean
// is left to [Conf.Validate].
func (c *Conf) SetPair(place, pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		// The text is not shown: it may be a value whose name was forgotten, and secret.
		return &Error{Place: place, Reason: "a setting is given as name=value"}
	}
	c.SetFrom(place, name, value)
	return nil
}

func (c *Conf) put(name string, e entry) *Conf {
	if c.entries == nil {
		c.entries = map[string]entry{}
	}
	c.entries[name] = e
	return c
}

// Unset forgets a value, so that the default holds again, and returns c.
func (c *Conf) Unset(name string) *Conf {
	delete(c.entries, name)
	return c
}

// Get returns the text that a setting was given, and whether it was given one. It knows no defaults:
// those belong to the typed settings, see [Setting.Get]. The value may be secret.
func (c *Conf) Get(name string) (string, bool) {
	e, ok := c.entry(name)
	return e.value, ok
}

func (c *Conf) entry(name string) (entry, bool) {
	if c == nil {
		return entry{}, false
	}
	e, ok := c.entries[name]
	return e, ok
}

// All yields every name that has a value, and the value, in the order of the names. Values may be
// secret; to show them use [Conf.Redacted] or [Conf.String].
func (c *Conf) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, name := range c.names() {
			if !yield(name, c.entries[name].value) {
				return
			}
		}
	}
}

func (c *Conf) names() []string {
	if c == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.entries))
}

// Clone returns a copy that later changes of c do not touch. The clone of nil is empty.
func (c *Conf) Clone() *Conf {
	if c == nil {
		return New()
	}
	return New().Merge(c)
}

// Merge copies into c every value of weaker that c has none for, and returns c. A value that c has is
// kept: the receiver is the stronger layer. So Spark's order (the program over flags, flags over the
// properties file) is program.Merge(flags).Merge(file).
func (c *Conf) Merge(weaker *Conf) *Conf {
	if weaker == nil {
		return c
	}
	for name, e := range weaker.entries {
		if _, ok := c.entries[name]; !ok {
			c.put(name, e)
		}
	}
	return c
}

// String lists every value as name=value lines in the order of the names, secrets redacted.
func (c *Conf) String() string {
	var b strings.Builder
	for _, name := range c.names() {
		b.WriteString(name + "=" + c.Redacted(name) + "\n")
	}
	return b.String()
}

// GoString is [Conf.String], so that %#v shows no secret either.
func (c *Conf) GoString() string { return c.String() }

// LogValue makes a Conf that is logged a group of its values, secrets redacted.
func (c *Conf) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, name := range c.names() {
		attrs = append(attrs, slog.String(name, c.Redacted(name)))
	}
	return slog.GroupValue(attrs...)
}
