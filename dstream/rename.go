package dstream

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
)

// renames are what the settings say has another name now, and with an empty one what is dropped.
func (ssc *Context) renames() (map[string]string, error) {
	all := map[string]string{}
	items, err := idsIn(conf.CheckpointRename, ssc.conf, "=>")
	if err != nil {
		return nil, err
	}
	for _, pair := range items {
		if len(pair) != 2 || pair[0] == "" || pair[1] == "" {
			return nil, settingError{fmt.Errorf("%s: %q is not of the form OLD => NEW; a name that holds these signs "+
				"stands in double quotes", conf.CheckpointRename.Name(), strings.Join(pair, " => "))}
		}
		if to, said := all[pair[0]]; said && to != pair[1] {
			return nil, settingError{fmt.Errorf("%s gives %q two names, %q and %q: leave one",
				conf.CheckpointRename.Name(), pair[0], to, pair[1])}
		}
		all[pair[0]] = pair[1]
	}
	items, err = idsIn(conf.CheckpointDrop, ssc.conf, "")
	for _, id := range items {
		if to := all[id[0]]; to != "" {
			return nil, settingError{fmt.Errorf("%s has %q be called %q, and %s gives it up: leave one of them",
				conf.CheckpointRename.Name(), id[0], to, conf.CheckpointDrop.Name())}
		}
		all[id[0]] = ""
	}
	return all, err
}

// dropped lists what the settings give up.
func (ssc *Context) dropped() (ids []string) {
	all, _ := ssc.renames() // It was read without an error when the log was looked for.
	for _, id := range names(all) {
		if all[id] == "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// passOver leaves out what the settings say of names and an earlier start has done already, and tells of names of which
// the checkpoint has nothing: a typing error would go unseen. A setting that was left in place must not give up, at
// each start, what has come since.
func (f *fitting) passOver() {
	tell := func(s conf.Setting[string], text string, args ...any) {
		f.changes = append(f.changes, Change{"setting", s.Name(), changed, fmt.Sprintf(text, args...)})
	}
	for _, id := range names(f.renames) {
		to, done := f.renames[id], slices.Contains(f.found.GivenUp, id)
		switch {
		case to == "" && done && f.holds(id):
			tell(conf.CheckpointDrop, "names %q, which a start before gave up, and which is kept now: leave it out, "+
				"and set it again at a later start if that is to be given up, too", id)
		case to == "" && !done && !f.holds(id):
			tell(conf.CheckpointDrop, "names %q, of which the checkpoint has nothing", id)
			f.nothing = append(f.nothing, id)
		case to != "" && !f.holds(id) && !f.holds(to):
			tell(conf.CheckpointRename, "names %q, of which the checkpoint has nothing", id)
		}
		if to == "" && done {
			delete(f.renames, id)
		}
	}
}

// holds tells that the checkpoint knows something by an id.
func (f *fitting) holds(id string) bool {
	_, input := f.found.Positions[id]
	_, state := f.found.States[id]
	return input || state || slices.Contains(f.written(), id)
}

// collisions refuses new names that are taken: what the checkpoint has by them would be lost.
func (f *fitting) collisions() {
	taken := map[string]string{}
	for _, id := range names(f.renames) {
		to := f.renames[id]
		if to == "" || to == id || !f.holds(id) {
			continue
		}
		first, twice := taken[to]
		again, said := f.renames[to]
		switch {
		case twice:
			f.errs = append(f.errs, fmt.Errorf("%s has both %q and %q of the checkpoint be called %q: say which one "+
				"it is, and set %s to the other one if that is to be given up", conf.CheckpointRename.Name(), first, id,
				to, conf.CheckpointDrop.Name()))
		case f.holds(to) && (!said || again != ""):
			f.errs = append(f.errs, fmt.Errorf("%s has %q be called %q, and the checkpoint has something of that "+
				"name already: give the operator a name that is new (leave the setting out if it is done), or set %s "+
				"to %s if what has the name is to be given up", conf.CheckpointRename.Name(), id, to,
				conf.CheckpointDrop.Name(), shown(idSetting(to))))
		}
		taken[to] = id
	}
}

// renamedTo tells that a setting gives one of these the new name.
func (f *fitting) renamedTo(before []string, id string) bool {
	return slices.ContainsFunc(before, func(old string) bool { return f.renames[old] == id })
}

// before gives the id by which the log knows what the program calls by this one.
func (f *fitting) before(id string) string {
	for from, to := range f.renames {
		if to == id {
			return from
		}
	}
	return id
}

// kept is before, of what is not given up now: that is as new as what the log has never known.
func (f *fitting) kept(id string) string {
	before := f.before(id)
	if to, said := f.renames[before]; said && to == "" {
		return ""
	}
	return before
}

// rename has the log know what the settings rename and give up, as far as it holds it.
func (f *fitting) rename() {
	written := f.written()
	// What is given up goes first: its name may be that of another one now.
	ordered := slices.SortedStableFunc(slices.Values(names(f.renames)), func(a, b string) int {
		return cmp.Compare(min(len(f.renames[a]), 1), min(len(f.renames[b]), 1))
	})
	for _, from := range ordered {
		_, input := f.found.Positions[from]
		_, state := f.found.States[from]
		switch {
		case input || state:
			f.entries = append(f.entries, checkpoint.Rename{From: from, To: f.renames[from]})
		case slices.Contains(written, from):
			// The sink has the identities under the old name alone. None is asked for again when nothing is planned, so
			// the log forgets them, and begins anew with the new name.
			f.entries = append(f.entries, checkpoint.Rename{From: from})
		}
	}
	if len(f.entries) > 0 && len(f.found.Opened()) > 0 {
		f.errs = append(f.errs, errors.New("a batch is planned that needs what is to be renamed or dropped: have the "+
			"old program finish it first (weir finish)"))
	}
	if len(f.found.Opened()) > 0 {
		return
	}
	for _, id := range f.nothing { // It is done: what comes by that name is not given up by a later start.
		f.entries = append(f.entries, checkpoint.Rename{From: id})
	}
}

// atOnce says how all that the user is asked to rename is said in one setting, nil if there is one alone.
func (f *fitting) atOnce() error {
	all := maps.Clone(f.renames)
	maps.DeleteFunc(all, func(from, to string) bool { return to == "" || !f.holds(from) })
	for _, r := range f.asked {
		all[r.From] = r.To
	}
	if len(f.asked) == 0 || len(all) < 2 {
		return nil
	}
	var items []string
	for _, from := range names(all) {
		items = append(items, idSetting(from)+" => "+idSetting(all[from]))
	}
	return fmt.Errorf("if each of these is the same one, set %s to %s", conf.CheckpointRename.Name(),
		shown(strings.Join(items, "; ")))
}
