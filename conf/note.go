package conf

import (
	"fmt"
	"slices"
	"strings"
)

// A Note names settings that were given, are accepted, and have no meaning here.
type Note struct {
	// Names of the settings, sorted.
	Names []string
	// Reason they share.
	Reason string
}

// String returns the names, those of one family together, and the reason in brackets.
func (n Note) String() string { return briefly(n.Names) + " (" + n.Reason + ")" }

// Ignored returns a Note for each reason for which values of c are passed over, in the order of the
// first name of each. Names that [Conf.Validate] refuses are not among them.
func (c *Conf) Ignored() []Note {
	v := newVerifier(c)
	var notes []Note
	for _, name := range c.names() {
		reason, err := v.judge(name)
		if err != nil || reason == "" {
			continue
		}
		i := slices.IndexFunc(notes, func(n Note) bool { return n.Reason == reason })
		if i < 0 {
			notes = append(notes, Note{Reason: reason})
			i = len(notes) - 1
		}
		notes[i].Names = append(notes[i].Names, name)
	}
	return notes
}

// Summary says in one line, for the log, which values of c are passed over and why; "" if none is. It
// shows no values.
func (c *Conf) Summary() string {
	notes := c.Ignored()
	if len(notes) == 0 {
		return ""
	}
	count := 0
	var parts []string
	for _, n := range notes {
		count += len(n.Names)
		parts = append(parts, n.String())
	}
	settings := "settings have"
	if count == 1 {
		settings = "setting has"
	}
	return fmt.Sprintf("%d %s no meaning here: %s", count, settings, strings.Join(parts, "; "))
}

// briefly lists names, with two or more of a family written as spark.yarn.* (2).
func briefly(names []string) string {
	byFamily := map[string][]string{}
	var order []string
	for _, name := range names {
		family := name
		if parts := strings.SplitN(name, ".", 3); len(parts) == 3 {
			family = parts[0] + "." + parts[1]
		}
		if byFamily[family] == nil {
			order = append(order, family)
		}
		byFamily[family] = append(byFamily[family], name)
	}
	var out []string
	for _, family := range order {
		if members := byFamily[family]; len(members) > 1 {
			out = append(out, fmt.Sprintf("%s.* (%d)", family, len(members)))
		} else {
			out = append(out, members...)
		}
	}
	for i, name := range out {
		out[i] = quoteOdd(name)
	}
	return strings.Join(out, ", ")
}
