package dstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
)

// A Fit is what a program finds in a checkpoint before anything of it runs.
type Fit struct {
	Checkpoint *CheckpointInfo
	// Open are the batches that are planned and neither committed nor skipped. A start runs them first.
	Open []int64
	// Anew are those of them that the program would split differently. They are planned anew if no sink has anything of
	// them; if one has, Start refuses the program.
	Anew []int64
	// Changes are what is another thing than in the program that planned the last batch, as far as the log tells.
	Changes []Change
}

// A Change is something in which a program differs from what has left a checkpoint.
type Change struct {
	// Kind is input, state, window, output, operator or setting.
	Kind string `json:"kind"`
	// Name is the id by which the checkpoint knows it, or the program if the checkpoint does not, or the name of the
	// setting.
	Name string `json:"name"`
	// What has become of it: added, removed, renamed, dropped or changed.
	What string `json:"what"`
	// Detail is what it was and is, its new name if it was renamed, or the line of the program if it was added.
	Detail string `json:"detail,omitempty"`
}

// String says it in a few words.
func (c Change) String() string {
	s := fmt.Sprintf("the %s %q ", c.Kind, c.Name)
	switch c.What {
	case added:
		return s + "is new (" + c.Detail + ")"
	case removed:
		return s + "is not in the program any more"
	case renamed:
		return s + "is called " + c.Detail + " now"
	case dropped:
		return s + "is given up"
	}
	return s + c.Detail
}

// What may become of a part of a program.
const (
	added   = "added"
	removed = "removed"
	renamed = "renamed"
	dropped = "dropped"
	changed = "changed"
)

// CheckCheckpoint says, instead of Start, whether the program would go on from its checkpoint. It reads the checkpoint,
// which may be in use, and nothing else: no input is asked, nothing is written or taken over. The error is the one that
// Start would give: it wraps [ErrUnfit] if the program does not fit, and the Fit says in what it differs. There must be
// a checkpoint. The context may be started afterwards.
func (ssc *Context) CheckCheckpoint(ctx context.Context) (*Fit, error) {
	if ssc.State() != Initialized {
		return nil, fmt.Errorf("CheckCheckpoint: %w", ErrStarted)
	}
	standing, err := ssc.readLog(ctx)
	if err != nil {
		return nil, err
	}
	found := standing.State
	f, err := ssc.compareWith(ctx, found)
	if err != nil {
		return nil, err
	}
	fit := &Fit{Checkpoint: infoOf(standing), Changes: f.changes}
	for _, b := range found.Opened() {
		fit.Open = append(fit.Open, b.Plan.Sequence)
	}
	for _, r := range f.resplits {
		fit.Anew = append(fit.Anew, r.batch.Plan.Sequence)
	}
	return fit, f.err()
}

// readLog reads the checkpoint, which must be there, without taking it over, and makes the graph ready as a start does.
func (ssc *Context) readLog(ctx context.Context) (*checkpoint.Standing, error) {
	if err := ssc.validate(); err != nil {
		return nil, err
	}
	ssc.findNeeds()
	ssc.leaveOut()
	if err := ssc.findLog(); err != nil {
		return nil, err
	}
	if ssc.durable.dir == "" {
		return nil, errors.New("the program has no checkpoint: name its directory by Context.Checkpoint, or " +
			conf.CheckpointDirectory.Name())
	}
	found, err := checkpoint.Look(ctx, ssc.durable.fs, ssc.durable.path)
	if err == nil && found == nil {
		err = noCheckpoint(ssc.durable.path)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", ssc.durable.dir, err)
	}
	return found, nil
}

// A fitting compares a program with what a checkpoint holds, and changes neither.
type fitting struct {
	ssc     *Context
	found   *checkpoint.State
	ids     map[*node]string
	renames map[string]string // "" for what is given up
	// nothing lists what is given up and not there.
	nothing []string
	// asked are renames that the user is asked for.
	asked   []checkpoint.Rename
	changes []Change
	// entries are what the log is to know of renames.
	entries []checkpoint.Entry
	// resplits are the planned batches that must be planned anew.
	resplits []resplit
	errs     []error
}

// compareWith finds in what the program differs, and what of that does not fit.
func (ssc *Context) compareWith(ctx context.Context, found *checkpoint.State) (*fitting, error) {
	f := &fitting{ssc: ssc, found: found, ids: ssc.operatorIDs()}
	var err error
	if f.renames, err = ssc.renames(); err != nil {
		return nil, err
	}
	f.passOver()
	f.collisions()
	f.kinds()
	f.leftOut()
	f.receivers()
	f.skips()
	f.settings()
	if split := found.Split; split != nil {
		f.changes = append(f.changes, f.known(f.operators(split))...)
		f.changes = append(f.changes, f.partitions(split)...)
		f.changes = append(f.changes, f.longer(split)...)
	}
	f.rename()
	if err := f.types(ctx); err != nil {
		return nil, err
	}
	if err := ssc.takeDealing(found); err != nil {
		return nil, err
	}
	ssc.findRecall(found, f.kept)
	if len(f.errs) == 0 {
		f.open()
	}
	return f, nil
}

// err is why the program does not fit, nil if it does.
func (f *fitting) err() error {
	if len(f.errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w (%s):\n%w", ErrUnfit, f.ssc.durable.dir, errors.Join(append(f.errs, f.atOnce())...))
}

// say tells at a start what is another thing than it was. A state that is left out, or was, is a reason to look twice.
func (f *fitting) say() {
	if f.found.Planned.Sequence < 0 {
		return // No program was there before.
	}
	for _, c := range f.changes {
		switch {
		case (c.Kind == "state" || c.Kind == "window") && c.What == removed:
			f.ssc.warn("a "+c.Kind+" is kept as it is until the program has it again, or "+conf.CheckpointDrop.Name()+
				" names it", errors.New(c.String()))
		case c.Kind == "setting" && (c.Name == conf.CheckpointDrop.Name() || c.Name == conf.CheckpointRename.Name()):
			f.ssc.warn("a setting asks for nothing", errors.New(c.String()))
		case c.Kind == "window" && c.What == changed:
			f.ssc.warn("the first windows are not complete", errors.New(c.String()))
		case c.Detail == wasLeftOut:
			f.ssc.warn("a state lacks what it has missed", errors.New(c.String()))
		default:
			f.ssc.logger.Info("the program is not the one that planned the last batch", "change", c.String())
		}
	}
}

// wasLeftOut is what has changed of a state that a program has again, after another one that did not have it.
const wasLeftOut = "is in the program again, as it was left: the records of the batches since are not in it"

// leftOut finds states that the program of the last plan did not have.
func (f *fitting) leftOut() {
	split := f.found.Split
	if split == nil || len(split.Operators) == 0 {
		return
	}
	for _, k := range f.ssc.states {
		id := f.ids[k.node]
		if _, kept := f.found.States[f.before(id)]; kept && !f.had(k, split) {
			f.changes = append(f.changes, Change{k.kind(), id, changed, wasLeftOut})
		}
	}
}

// had tells whether the program of a plan kept what k keeps, as far as the log tells.
func (f *fitting) had(k *keeping, split *checkpoint.Split) bool {
	if !k.elements() {
		return find(split.Operators, f.before(f.ids[k.node])) >= 0
	}
	for _, w := range k.node.windows {
		if find(split.Operators, f.before(f.ids[w])) >= 0 {
			return true
		}
	}
	return f.before(f.ids[k.node]) != f.ids[k.node] // The window may have another name, too.
}

// kinds compares inputs, states and outputs, which the log knows by their ids.
func (f *fitting) kinds() {
	var inputs, states, windows, outputs []*node
	for _, in := range f.ssc.inputs {
		inputs = append(inputs, in.node)
	}
	for _, k := range f.ssc.states {
		if k.window() {
			if !f.newInLog(k) {
				windows = append(windows, k.node)
			}
		} else {
			states = append(states, k.node)
		}
	}
	f.kind("input", names(f.found.Positions), inputs)
	f.kind("state", f.found.Keyed(), states)
	f.kind("window", f.found.Windows(), windows)
	f.alike()
	written := f.written()
	for _, o := range f.ssc.outputs {
		// Of outputs without a sink the log knows nothing, so that one cannot tell which of them are new.
		if id := f.ids[o.node]; o.sink != nil || slices.Contains(written, id) {
			outputs = append(outputs, o.node)
		}
	}
	f.kind("output", written, outputs)
}

// newInLog tells that the checkpoint has nothing of the elements that k keeps although the program of the last plan had
// their window: an earlier release, which did not keep them, or one that could not. They take the place of nothing.
func (f *fitting) newInLog(k *keeping) bool {
	_, there := f.found.States[f.before(f.ids[k.node])]
	return k.elements() && !there && f.found.Split != nil && f.had(k, f.found.Split)
}

// alike refuses a program in which a window of the checkpoint is one of several that could not be told apart: what the
// checkpoint holds of it would be passed over.
func (f *fitting) alike() {
	bare := f.ssc.bareIDs()
	for _, id := range f.found.Windows() {
		at := slices.IndexFunc(f.ssc.alike, func(n *node) bool { return numbered(id, bare[n]) })
		if _, said := f.renames[id]; at >= 0 && !said {
			n := f.ssc.alike[at]
			f.errs = append(f.errs, fmt.Errorf("the window %q of the checkpoint is one of several in the program that "+
				"are alike (%s at %s): give each a name with Named, and set %s to %s, with that of the one that it "+
				"is, or %s to %s if it is to be given up", id, n.op, n.site, conf.CheckpointRename.Name(),
				shown(idSetting(id)+" => NAME"), conf.CheckpointDrop.Name(), shown(idSetting(id))))
		}
	}
}

// written are the outputs of which the log has effects.
func (f *fitting) written() (ids []string) {
	add := func(id string) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, w := range f.found.Written {
		add(w.Output)
	}
	for _, b := range f.found.Batches {
		if b.Commit != nil {
			for _, e := range b.Commit.Effects {
				add(e.Output)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// kind compares what is of one kind. What has gone while something of its kind is new is not known to be that or
// another one.
func (f *fitting) kind(kind string, before []string, now []*node) {
	var gone []string
	var fresh []*node
	for _, id := range before {
		to, said := f.renames[id]
		switch {
		case said && to != "":
			f.changes = append(f.changes, Change{kind, id, renamed, fmt.Sprintf("%q", to)})
			if !slices.ContainsFunc(now, func(n *node) bool { return f.ids[n] == to }) {
				f.errs = append(f.errs, fmt.Errorf("%s has the %s %q be called %q, which is none of the program",
					conf.CheckpointRename.Name(), kind, id, to))
			}
		case said:
			f.changes = append(f.changes, Change{kind, id, dropped, ""})
		case !slices.ContainsFunc(now, func(n *node) bool { return f.ids[n] == id }):
			gone = append(gone, id)
			f.changes = append(f.changes, Change{kind, id, removed, ""})
		}
	}
	for _, n := range now {
		id := f.ids[n]
		if !slices.Contains(before, id) && !f.renamedTo(before, id) && !f.planned(id) {
			fresh = append(fresh, n)
			f.changes = append(f.changes, Change{kind, id, added, n.op + " at " + n.site.String()})
		}
	}
	if len(fresh) == 0 {
		return
	}
	for i, id := range gone {
		n := fresh[min(i, len(fresh)-1)]
		f.asked = append(f.asked, checkpoint.Rename{From: id, To: f.ids[n]})
		f.errs = append(f.errs, fmt.Errorf("the %s %q of the checkpoint is not in the program, and %q is new: set %s "+
			"to %s if it is the same one, or %s to %s if it is to be given up", kind, id, f.ids[n],
			conf.CheckpointRename.Name(), shown(idSetting(id)+" => "+idSetting(f.ids[n])), conf.CheckpointDrop.Name(),
			shown(idSetting(id))))
	}
}

// planned tells that the program of the last plan had an operator, of which nothing need have been committed.
func (f *fitting) planned(id string) bool {
	return f.found.Split != nil && find(f.found.Split.Operators, id) >= 0
}

// receivers refuses a program that would leave alone what is in a write ahead log, or where its source is to begin.
func (f *fitting) receivers() {
	for _, in := range f.ssc.inputs {
		id := f.ids[in.node]
		for _, was := range names(f.found.Positions) {
			to, said := f.renames[was]
			if same := said && to == id || !said && was == id; !same {
				continue
			}
			position := f.found.Positions[was].Data
			f.imported(in, was, position)
			if !in.received() || !isWalRange(position) {
				continue
			}
			f.errs = append(f.errs, fmt.Errorf("the receiver %q has a write ahead log there, and %s is not set: "+
				"records that are in it and in no batch would be lost: set it, or, after a graceful stop, give the "+
				"log up by setting %s to %s once", id, conf.ReceiverWriteAheadLog.Name(), conf.CheckpointDrop.Name(),
				shown(idSetting(was))))
		}
	}
}

// imported refuses a position at which a receiver cannot begin.
func (f *fitting) imported(in *input, was string, position []byte) {
	if r, ok := in.source.(receiving); !ok || !in.imported(position) || r.takes(position) {
		return
	}
	why := conf.ReceiverWriteAheadLog.Name() + " is not set"
	if in.logs() {
		why = "it is of another kind of source"
	}
	f.errs = append(f.errs, fmt.Errorf("the input %s is a receiver, which cannot begin at the position %.80q that the "+
		"checkpoint has for %q, as weir offsets import --checkpoint writes it: %s. Import the offsets into the "+
		"receiver's group instead (weir offsets import GROUP), and give this position up by setting %s to %s once",
		in.where(), position, was, why, conf.CheckpointDrop.Name(), shown(idSetting(was))))
}

// skips refuses to have a batch be given up that is not planned yet, and may well succeed: the setting is meant for
// another checkpoint, or has a slip.
func (f *fitting) skips() {
	planned := f.found.Planned.Sequence
	named := conf.CheckpointSkip.Get(f.ssc.conf)
	if named <= planned {
		return
	}
	there := "has no batch yet"
	if planned >= 0 {
		there = fmt.Sprintf("has batches up to %d", planned)
	}
	f.errs = append(f.errs, fmt.Errorf("%s=%d: the checkpoint %s: that one would be given up some day without "+
		"having failed; leave the setting out, or name an open batch (weir batches %s)", conf.CheckpointSkip.Name(),
		named, there, f.ssc.durable.dir))
}

// settings compares those that the log has of its last owner.
func (f *fitting) settings() {
	was, now := f.found.Owner.Settings, f.ssc.ownerSettings()
	for _, name := range names(now) {
		if was[name] != "" && was[name] != now[name] {
			f.changes = append(f.changes, Change{"setting", name, changed, fmt.Sprintf("was %s, is %s", was[name],
				now[name])})
		}
	}
}

// types refuses states whose keys or values are of other types than those in the files.
func (f *fitting) types(ctx context.Context) error {
	for _, k := range f.ssc.states {
		id := f.ids[k.node]
		if to, said := f.renames[id]; said && to == "" {
			continue // It begins anew.
		}
		snapshot, deltas := f.found.Version(f.before(id), f.found.Committed.Sequence)
		d := &f.ssc.durable
		was, ok, err := checkpoint.NewestHead(ctx, d.fs, d.path, snapshot, deltas)
		if err != nil {
			return fmt.Errorf("checkpoint %s: the %s %s: %w", d.dir, k.kind(), id, err)
		}
		now := k.head()
		if ok && (was.Panes != now.Panes || was.OfElements() != now.OfElements()) {
			f.errs = append(f.errs, fmt.Errorf("the %s %q (%s): %w: the checkpoint holds something of another kind "+
				"under this name: give the operator another one, and set %s to %s", k.kind(), id, k.node.site,
				ErrStateType, conf.CheckpointDrop.Name(), shown(idSetting(f.before(id)))))
			continue
		}
		if !ok || was.Key == now.Key && was.Value == now.Value {
			continue
		}
		what, remedy := fmt.Sprintf("keys were %s, are %s", was.Key, now.Key), toType
		if was.Key == now.Key {
			what = fmt.Sprintf("values were %s, are %s", was.Value, now.Value)
		}
		if now.OfElements() {
			what = fmt.Sprintf("elements were %s, are %s", was.Value, now.Value)
		}
		if now.Panes {
			remedy = fmt.Sprintf("let the program keep the type that it had, or have the window begin anew by setting "+
				"%s to %s once", conf.CheckpointDrop.Name(), shown(idSetting(f.before(id))))
		}
		f.changes = append(f.changes, Change{k.kind(), id, changed, what})
		f.errs = append(f.errs, fmt.Errorf("the %s %q (%s): %w: its %s: %s", k.kind(), id, k.node.site, ErrStateType,
			what, remedy))
	}
	return nil
}

// open refuses a program that would split a planned batch differently, unless that may be planned anew.
func (f *fitting) open() {
	for _, b := range f.found.Opened() {
		what := f.differently(b.Plan.Split)
		if what == "" {
			continue
		}
		err := fmt.Errorf("batch %d is planned and not committed, and would be split differently now: %s; let the "+
			"old program finish it (weir finish %s -- OLD-PROGRAM), then start this one", b.Plan.Sequence, what,
			f.ssc.durable.dir)
		if f.anew(b) {
			f.resplits = append(f.resplits, resplit{b, err})
			continue
		}
		f.errs = append(f.errs, err)
		return // What holds of the next one is most often the same.
	}
}

// differently says in what the program would split a batch differently, "" if it would not.
func (f *fitting) differently(was *checkpoint.Split) string {
	if was == nil {
		return ""
	}
	var texts []string
	if was.Fingerprint != f.ssc.fingerprint() {
		for _, c := range f.operators(was) {
			texts = append(texts, c.String())
		}
		if len(texts) == 0 {
			texts = []string{"the graph is another one"}
		}
		return strings.Join(texts, ", ")
	}
	for _, c := range f.partitions(was) {
		if c.Kind != "setting" || f.ssc.byDefault {
			texts = append(texts, c.String())
		}
	}
	return strings.Join(texts, ", ")
}
