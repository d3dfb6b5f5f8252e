package dstream

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirstream/weir/conf"
)

// operatorIDs gives every node the id by which logs know it: its name, else what it is (kind, type, ids of
// its parents), never a counter, so that adding an operator elsewhere changes no id. Unnamed nodes that are
// alike in all of this are told apart by their order.
func (ssc *Context) operatorIDs() map[*node]string { return ssc.idsOf(true, nil) }

// bareIDs are the ids without what tells nodes apart by their order: nodes that are alike have the same.
func (ssc *Context) bareIDs() map[*node]string { return ssc.idsOf(false, nil) }

// markedIDs are the ids with another sign than # in names, so that each # stands before a number.
func (ssc *Context) markedIDs() map[*node]string {
	return ssc.idsOf(true, strings.NewReplacer("#", "\x00"))
}

// idsOf takes names as they are, but for what spell replaces if it is not nil.
func (ssc *Context) idsOf(numbered bool, spell *strings.Replacer) map[*node]string {
	ids, taken, alike := make(map[*node]string, len(ssc.nodes)), map[string]bool{}, map[string]int{}
	for _, n := range ssc.nodes {
		if ids[n] = n.name; spell != nil {
			ids[n] = spell.Replace(n.name)
		}
		taken[ids[n]] = true
	}
	for _, n := range ssc.nodes {
		if n.name != "" {
			continue
		}
		parents := make([]string, len(n.parents))
		for i, p := range n.parents {
			parents[i] = ids[p]
		}
		bare := fmt.Sprintf("%s[%s](%s)", n.op, n.typ, strings.Join(parents, ","))
		if len(bare) > 200 {
			// A long chain is named by its end and a hash of the rest.
			bare = fmt.Sprintf("%s[%s](%016x)", n.op, n.typ, hash(bare))
		}
		id := bare
		alike[bare]++
		for number := alike[bare]; numbered && taken[id]; number++ {
			id = fmt.Sprintf("%s#%d", bare, number)
		}
		ids[n], taken[id] = id, true
	}
	for _, n := range ssc.windowed {
		ids[n] = n.elementsID(ids)
	}
	return ids
}

// number is what tells a node from one that is alike.
var number = regexp.MustCompile(`#[0-9]+`)

// numbered tells that an id is a bare one but for numbers.
func numbered(id, bare string) bool {
	for i := range len(id) {
		if at := number.FindStringIndex(id[i:]); at != nil && at[0] == 0 && numbered(id[i+at[1]:], bare[i:]) {
			return true
		}
		if i == len(bare) || id[i] != bare[i] {
			return false
		}
	}
	return id == bare
}

func (ssc *Context) inputIDs() []string {
	all := ssc.operatorIDs()
	ids := make([]string, len(ssc.inputs))
	for i, in := range ssc.inputs {
		ids[i] = all[in.node]
	}
	return ids
}

func (ssc *Context) outputIDs() []string {
	all := ssc.operatorIDs()
	ids := make([]string, len(ssc.outputs))
	for i, o := range ssc.outputs {
		ids[i] = all[o.node]
	}
	return ids
}

func (ssc *Context) stateIDs() []string {
	all := ssc.operatorIDs()
	ids := make([]string, len(ssc.states))
	for i, k := range ssc.states {
		ids[i] = all[k.node]
	}
	return ids
}

// fingerprint tells graphs apart: ids, kinds, types and edges.
func (ssc *Context) fingerprint() uint64 {
	ids := ssc.operatorIDs()
	var b strings.Builder
	for _, n := range ssc.nodes {
		fmt.Fprintf(&b, "%s|%s|%s|%d", ids[n], n.op, n.typ, n.slide.Milliseconds())
		for _, p := range n.parents {
			b.WriteString("|" + ids[p])
		}
		b.WriteByte('\n')
	}
	return hash(b.String())
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// idSetting gives an id as settings take it: in quotes, as Go writes a text, if it could be taken for something else.
func idSetting(id string) string {
	if strings.ContainsAny(id, `;="`) || id != strings.TrimSpace(id) {
		return strconv.Quote(id)
	}
	return id
}

// shown gives the value of a setting for an error that says to what it is to be set.
func shown(value string) string {
	if strings.Contains(value, `"`) {
		return "'" + value + "'"
	}
	return strconv.Quote(value)
}

// idsIn reads a setting that names ids: items with semicolons between them, whose fields have sep between them if that
// is not empty.
func idsIn(s conf.Setting[string], c *conf.Conf, sep string) (items [][]string, err error) {
	var fields []string
	for rest := s.Get(c); ; {
		var field string
		if field, rest, err = cutField(strings.TrimLeft(rest, spaces), sep); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name(), err)
		}
		fields = append(fields, field)
		if sep != "" && strings.HasPrefix(rest, sep) {
			rest = rest[len(sep):]
			continue
		}
		if len(fields) > 1 || field != "" {
			items = append(items, fields)
		}
		if rest == "" {
			return items, nil
		}
		fields, rest = nil, rest[1:]
	}
}

// spaces are what may stand around the parts of a setting.
const spaces = " \t\r\n"

// cutField cuts a field off a setting, before a semicolon or sep.
func cutField(text, sep string) (field, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", fmt.Errorf("the quote that begins at %.40s has no end", text)
		}
		field, _ = strconv.Unquote(quoted)
		rest = strings.TrimLeft(text[len(quoted):], spaces)
		if rest != "" && rest[0] != ';' && (sep == "" || !strings.HasPrefix(rest, sep)) {
			return "", "", fmt.Errorf("%.40q follows the name %s, where a semicolon was to be", rest, quoted)
		}
		return field, rest, nil
	}
	end := len(text)
	for _, stop := range []string{";", sep} {
		if i := strings.Index(text[:end], stop); i >= 0 && stop != "" {
			end = i
		}
	}
	return strings.TrimSpace(text[:end]), text[end:], nil
}
