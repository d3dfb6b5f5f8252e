package checkpoint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// State is what the entries of a log amount to. Whoever has one from this package may do with it what he likes.
type State struct {
	// Job is the UUID that was made with the checkpoint, Created when, in milliseconds.
	Job     string `json:"job"`
	Created int64  `json:"created"`
	// Owner is the last takeover.
	Owner Takeover `json:"owner"`
	// Stopped tells that the last owner stopped cleanly, and that nobody has taken over since.
	Stopped bool `json:"stopped"`

	// Planned and Committed are the last batches of that kind; their sequence is -1 if there is none. A batch that was
	// skipped counts as committed.
	Planned   Mark `json:"planned"`
	Committed Mark `json:"committed"`
	// Released is the last batch that nothing will ask for again, -1 if there is none.
	Released int64 `json:"released"`
	// Batches are those that are not released, the oldest first. The open ones are last.
	Batches []*Batch `json:"batches"`
	// Split is that of the last plan, nil if no plan has one.
	Split *Split `json:"split,omitempty"`

	// Positions are, by input, the last range that was planned, else where the input begins.
	Positions map[string]Range `json:"positions"`
	// Done are, by input, the last range that was committed, but for inputs that were moved since.
	Done map[string]Range `json:"done"`
	// Adopted are, by input and partition, positions that no range has taken up yet.
	Adopted map[string]map[string]Range `json:"adopted,omitempty"`
	Rates   map[string]Rate             `json:"rates,omitempty"`

	// Written tells for each effect the last batch in which it wrote.
	Written []Written `json:"written,omitempty"`
	// Transactions are those that were opened since the last clean stop.
	Transactions []Transaction `json:"transactions,omitempty"`
	// Skipped are all batches that were given up.
	Skipped []Skip `json:"skipped,omitempty"`
	// GivenUp are the ids that were dropped and that the settings of each owner since have gone on to name, so that who
	// leaves a setting in place does not drop at each start what has come since.
	GivenUp []string `json:"givenUp,omitempty"`
	// States holds, by operator, the files of its state.
	States map[string][]Generation `json:"states,omitempty"`

	forgetful bool   // batches are dropped when they are committed
	dropped   []File // published files that no state refers to any more
}

// A Mark is which batch it is.
type Mark struct {
	Sequence int64 `json:"sequence"`
	Time     int64 `json:"time"`
}

// A Batch is what the log holds of one: its plan with its split, and what became of it. It is open while it has none of
// commit, skip and import. An import has no plan but its sequence and its time.
type Batch struct {
	Plan   Plan    `json:"plan"`
	Done   []Done  `json:"done,omitempty"`
	Commit *Commit `json:"commit,omitempty"`
	Skip   *Skip   `json:"skip,omitempty"`
	Import *Import `json:"import,omitempty"`
}

// Open tells that a batch is to be run.
func (b *Batch) Open() bool { return b.Commit == nil && b.Skip == nil && b.Import == nil }

// Written says when an effect wrote last.
type Written struct {
	Output     string `json:"output"`
	Name       string `json:"name,omitempty"`
	Sequence   int64  `json:"sequence"`
	Time       int64  `json:"time"`
	Partitions int    `json:"partitions,omitempty"`
}

// A Generation is a snapshot of a state and the deltas that follow it. The first generation of a state has no snapshot:
// it begins with nothing.
type Generation struct {
	// At is the batch whose state the snapshot is, -1 for none.
	At       int64   `json:"at"`
	Snapshot []File  `json:"snapshot,omitempty"`
	Deltas   []Delta `json:"deltas,omitempty"`
	// Panes tells that the rows are those of a window's panes.
	Panes bool `json:"panes,omitempty"`
}

// A Delta is what a batch changed in a state.
type Delta struct {
	Sequence int64  `json:"sequence"`
	Files    []File `json:"files,omitempty"`
	Inline   []byte `json:"inline,omitempty"`
}

func newState(job string, created int64) *State {
	return &State{Job: job, Created: created, Planned: Mark{Sequence: -1}, Committed: Mark{Sequence: -1}, Released: -1,
		Positions: map[string]Range{}, Done: map[string]Range{}, Adopted: map[string]map[string]Range{},
		Rates: map[string]Rate{}, States: map[string][]Generation{}}
}

// plainState is a State without methods.
type plainState State

// encodedState is the form of a State, whose batches leave out a split that is that of the batch before.
type encodedState struct {
	plainState
	Batches []encodedBatch `json:"batches"`
}

type encodedBatch struct {
	Batch
	SameSplit bool `json:"sameSplit,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (s *State) MarshalJSON() ([]byte, error) {
	c := encodedState{plainState(*s), make([]encodedBatch, len(s.Batches))}
	var last *Split
	for i, b := range s.Batches {
		c.Batches[i].Batch = *b
		split := b.Plan.Split
		if split != nil && (split == last || reflect.DeepEqual(split, last)) {
			c.Batches[i].Plan.Split, c.Batches[i].SameSplit = nil, true
		}
		last = split
	}
	return json.Marshal(&c)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *State) UnmarshalJSON(data []byte) error {
	c := encodedState{plainState: plainState(*s)}
	if err := strictly(data, &c); err != nil {
		return err
	}
	*s = State(c.plainState)
	s.Batches = make([]*Batch, len(c.Batches))
	var last *Split
	for i := range c.Batches {
		b := &c.Batches[i]
		if b.SameSplit {
			b.Plan.Split = last
		}
		last = b.Plan.Split
		s.Batches[i] = &b.Batch
	}
	return nil
}

// clone copies through JSON, which is what a base goes through, too.
func (s *State) clone() (*State, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	c := newState("", 0)
	return c, strictly(data, c)
}

// Opened are the batches that are planned and nothing became of yet, the oldest first.
func (s *State) Opened() []*Batch {
	from := len(s.Batches)
	for from > 0 && s.Batches[from-1].Open() {
		from--
	}
	return s.Batches[from:]
}

// Batch gives a batch that is not released, nil if there is none of that sequence.
func (s *State) Batch(sequence int64) *Batch {
	i, ok := slices.BinarySearchFunc(s.Batches, sequence,
		func(b *Batch, n int64) int { return cmp.Compare(b.Plan.Sequence, n) })
	if !ok {
		return nil
	}
	return s.Batches[i]
}

// Keyed lists the operators that keep a state by key, Windows those that keep panes.
func (s *State) Keyed() []string { return s.keeping(false) }

// Windows is documented with Keyed.
func (s *State) Windows() []string { return s.keeping(true) }

func (s *State) keeping(panes bool) (operators []string) {
	for operator, generations := range s.States {
		if generations[0].Panes == panes {
			operators = append(operators, operator)
		}
	}
	slices.Sort(operators)
	return operators
}

// Version gives the files of an operator's state as it was after a batch that is not released: a snapshot, and the
// deltas to apply to it, in order. A state that was never written has none.
func (s *State) Version(operator string, sequence int64) (snapshot []File, deltas []Delta) {
	for _, g := range slices.Backward(s.States[operator]) {
		if g.At > sequence {
			continue
		}
		for _, d := range g.Deltas {
			if d.Sequence <= sequence {
				deltas = append(deltas, d)
			}
		}
		return g.Snapshot, deltas
	}
	return nil, nil
}

// Files gives the names of all files that hold states.
func (s *State) Files() map[string]bool {
	names := map[string]bool{}
	for _, generations := range s.States {
		for _, g := range generations {
			for f := range g.files() {
				names[f.Name] = true
			}
		}
	}
	return names
}

// files yields the files of a generation.
func (g Generation) files() func(yield func(File) bool) {
	return func(yield func(File) bool) {
		for _, f := range g.Snapshot {
			if !yield(f) {
				return
			}
		}
		for _, d := range g.Deltas {
			for _, f := range d.Files {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// apply takes an entry in that was checked.
func (s *State) apply(entry Entry) {
	switch e := entry.(type) {
	case Takeover:
		s.Owner, s.Stopped = e, false
		s.GivenUp = slices.DeleteFunc(s.GivenUp, func(id string) bool { return !slices.Contains(e.GivenUp, id) })
		return
	case Stop:
		s.Stopped, s.Transactions = true, nil
		return
	case Start:
		for id, r := range e.Positions {
			s.Positions[id] = r
			delete(s.Done, id)
		}
	case Adopt:
		if s.Adopted[e.Source] == nil {
			s.Adopted[e.Source] = map[string]Range{}
		}
		s.Adopted[e.Source][e.Partition] = e.Position
	case Plan:
		s.plan(e)
	case Replan:
		b := s.Batch(e.Sequence)
		if e.Split == nil {
			e.Split = b.Plan.Split
		}
		e.Idle = b.Plan.Idle
		s.Split = e.Split
		*b = Batch{Plan: e.Plan}
	case Done:
		b := s.Batch(e.Sequence)
		b.Done = append(b.Done, e)
	case Commit:
		s.commit(e)
	case Skip:
		s.Batch(e.Sequence).Skip = &e
		s.Skipped = append(s.Skipped, e)
		s.over(e.Sequence, e.Time, e.In)
	case Burn:
		s.burn(e)
	case Import:
		s.imported(e)
	case Transactions:
		for _, t := range e.Opened {
			if !slices.Contains(s.Transactions, t) {
				s.Transactions = append(s.Transactions, t)
			}
		}
	case Released:
		s.release(e.UpTo)
	case Rename:
		s.rename(e)
	}
	s.Stopped = false
}

// burn takes in what became of a batch that was given up.
func (s *State) burn(e Burn) {
	for i := range s.Skipped {
		if k := &s.Skipped[i]; k.Sequence == e.Sequence {
			k.In, k.Burned, k.Unknown = e.In, e.Burned, e.Unknown
			if b := s.Batch(e.Sequence); b != nil {
				skip := *k
				b.Skip = &skip
			}
			s.wrote(k.Sequence, k.Time, e.In)
		}
	}
}

func (s *State) plan(p Plan) {
	if p.Split == nil {
		p.Split = s.Split
	}
	s.Split = p.Split
	for id, r := range p.Ranges {
		s.Positions[id] = r
		delete(s.Adopted, id)
	}
	s.Planned = Mark{p.Sequence, p.Time}
	s.Batches = append(s.Batches, &Batch{Plan: p})
}

func (s *State) commit(c Commit) {
	for id, r := range c.Rates {
		s.Rates[id] = r
	}
	for _, change := range c.State {
		s.change(c.Sequence, change)
	}
	c.State = nil // It is among the generations, and would be in each base as long as the batch is.
	s.Batch(c.Sequence).Commit = &c
	s.over(c.Sequence, c.Time, c.Effects)
	maps.Copy(s.Done, c.Positions)
}

// imported takes in what was done to states by hand.
func (s *State) imported(i Import) {
	for _, change := range i.State {
		s.change(i.Sequence, change)
	}
	changed := make([]StateChange, len(i.State))
	for n, c := range i.State {
		changed[n].Operator = c.Operator // As with a commit.
	}
	i.State = changed
	s.Planned = Mark{i.Sequence, i.Time}
	s.Committed = s.Planned
	s.Batches = append(s.Batches, &Batch{Plan: Plan{Sequence: i.Sequence, Time: i.Time, Split: s.Split}, Import: &i})
	if s.forgetful {
		s.release(i.Sequence)
	}
}

// over takes in what holds of a batch that is committed and of one that is skipped.
func (s *State) over(sequence, time int64, effects []Effect) {
	maps.Copy(s.Done, s.Batch(sequence).Plan.Ranges)
	s.Committed = Mark{sequence, time}
	s.wrote(sequence, time, effects)
	if s.forgetful {
		s.release(sequence)
	}
}

// wrote keeps in which batch effects wrote last.
func (s *State) wrote(sequence, time int64, effects []Effect) {
	for _, e := range effects {
		if !e.Wrote {
			continue
		}
		i := slices.IndexFunc(s.Written, func(w Written) bool { return w.Output == e.Output && w.Name == e.Name })
		if i < 0 {
			i = len(s.Written)
			s.Written = append(s.Written, Written{Output: e.Output, Name: e.Name})
		}
		w := &s.Written[i]
		if e.Partitions > 0 || w.Partitions == 0 { // Of what has no identity none is compared with those before it.
			w.Sequence, w.Time, w.Partitions = sequence, time, e.Partitions
		}
	}
}

// change takes in what a batch did to a state.
func (s *State) change(sequence int64, c StateChange) {
	generations := s.States[c.Operator]
	if len(generations) == 0 {
		generations = []Generation{{At: -1, Panes: c.Panes}}
	}
	last := &generations[len(generations)-1]
	if len(c.Delta) > 0 || len(c.Inline) > 0 {
		last.Deltas = append(last.Deltas, Delta{sequence, c.Delta, c.Inline})
	}
	if len(c.Snapshot) > 0 {
		next := Generation{At: c.SnapshotAt, Snapshot: c.Snapshot, Panes: c.Panes}
		for _, d := range last.Deltas {
			if d.Sequence > c.SnapshotAt {
				next.Deltas = append(next.Deltas, d)
			}
		}
		generations = append(generations, next)
	}
	s.States[c.Operator] = generations
}

// release forgets batches, and the generations of states that only these would need: to run the batch after upTo again,
// the state after upTo is needed.
func (s *State) release(upTo int64) {
	s.Released = upTo
	keep := slices.IndexFunc(s.Batches, func(b *Batch) bool { return b.Plan.Sequence > upTo })
	if keep < 0 {
		keep = len(s.Batches)
	}
	clear(s.Batches[:keep])
	s.Batches = s.Batches[keep:]
	var old []Generation
	for operator, generations := range s.States {
		n := 0
		for n+1 < len(generations) && generations[n+1].At <= upTo {
			n++
		}
		if n > 0 {
			old = append(old, generations[:n]...)
			s.States[operator] = slices.Clone(generations[n:])
		}
	}
	s.drop(old)
}

// drop keeps in mind which files of old generations no state needs.
func (s *State) drop(old []Generation) {
	if len(old) == 0 {
		return
	}
	needed := s.Files()
	for _, g := range old {
		for f := range g.files() {
			// A segment may still grow.
			if !needed[f.Name] && !strings.HasSuffix(f.Name, segmentSuffix) {
				needed[f.Name] = true // It is dropped once.
				s.dropped = append(s.dropped, f)
			}
		}
	}
}

// rename moves, or drops, all that is kept by an id.
func (s *State) rename(r Rename) {
	move(s.Positions, r)
	move(s.Done, r)
	move(s.Rates, r)
	move(s.Adopted, r)
	if r.To == "" {
		if slices.Contains(s.Owner.GivenUp, r.From) {
			s.GivenUp = append(s.GivenUp, r.From)
		}
		old := s.States[r.From]
		delete(s.States, r.From)
		s.drop(old)
	}
	move(s.States, r)
	for _, b := range s.Batches {
		b.rename(r)
	}
	var written []Written
	for _, w := range s.Written {
		if w.Output == r.From {
			w.Output = r.To
		}
		if w.Output != "" {
			written = append(written, w)
		}
	}
	s.Written = written
}

// rename renames what is kept of a batch, in copies: entries may still be on their way into the log.
func (b *Batch) rename(r Rename) {
	b.Plan.Ranges = moved(b.Plan.Ranges, r)
	b.Done = slices.Clone(b.Done)
	for i := range b.Done {
		b.Done[i].Effects = renamed(b.Done[i].Effects, r)
		if b.Done[i].Output == r.From {
			b.Done[i].Output = r.To
		}
	}
	b.Done = slices.DeleteFunc(b.Done, func(d Done) bool { return d.Output == "" })
	if b.Commit != nil {
		c := *b.Commit
		c.Effects, c.Positions, c.Rates = renamed(c.Effects, r), moved(c.Positions, r), moved(c.Rates, r)
		c.State = renamedStates(c.State, r) // Bases of early releases have it.
		b.Commit = &c
	}
	if b.Skip != nil {
		s := *b.Skip
		s.In, s.Burned, s.Unknown = renamed(s.In, r), renamed(s.Burned, r), renamed(s.Unknown, r)
		b.Skip = &s
	}
	if b.Import != nil {
		i := *b.Import
		i.State = renamedStates(i.State, r)
		b.Import = &i
	}
}

// renamed gives effects as they are known by now.
func renamed(effects []Effect, r Rename) []Effect {
	effects = slices.Clone(effects)
	for i := range effects {
		if effects[i].Output == r.From {
			effects[i].Output = r.To
		}
	}
	return slices.DeleteFunc(effects, func(e Effect) bool { return e.Output == "" })
}

// renamedStates gives changes of states as they are known by now. Those of one that is dropped go.
func renamedStates(changes []StateChange, r Rename) []StateChange {
	changes = slices.Clone(changes)
	for i := range changes {
		if changes[i].Operator == r.From {
			changes[i].Operator = r.To
		}
	}
	return slices.DeleteFunc(changes, func(c StateChange) bool { return c.Operator == "" })
}

// moved is move on a copy.
func moved[V any](m map[string]V, r Rename) map[string]V {
	m = maps.Clone(m)
	move(m, r)
	return m
}

func move[V any](m map[string]V, r Rename) {
	v, ok := m[r.From]
	delete(m, r.From)
	if ok && r.To != "" {
		m[r.To] = v
	}
}

// A cursor checks entries before they are written: it knows where the log would be with those before them.
type cursor struct {
	state              *State
	planned, committed Mark
	released           int64
	open               []Mark
	stopped            bool
	epoch              int64
	// changed are the open batches that are not as the state has them.
	changed map[int64]Batch
}

// batch gives an open batch.
func (c *cursor) batch(sequence int64) (b Batch, open bool) {
	if !slices.ContainsFunc(c.open, func(m Mark) bool { return m.Sequence == sequence }) {
		return Batch{}, false
	}
	if b, ok := c.changed[sequence]; ok {
		return b, true
	}
	return *c.state.Batch(sequence), true
}

func (c *cursor) change(b Batch) {
	if c.changed == nil {
		c.changed = map[int64]Batch{}
	}
	c.changed[b.Plan.Sequence] = b
}

func (s *State) cursor() cursor {
	c := cursor{state: s, planned: s.Planned, committed: s.Committed, released: s.Released, stopped: s.Stopped,
		epoch: s.Owner.Epoch}
	for _, b := range s.Opened() {
		c.open = append(c.open, Mark{b.Plan.Sequence, b.Plan.Time})
	}
	return c
}

func disorder(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOrder, fmt.Sprintf(format, args...))
}

// check moves on by entries, or stays where it is and says what is wrong.
func (c *cursor) check(entries []Entry) error {
	next := *c
	next.open, next.changed = slices.Clone(c.open), maps.Clone(c.changed)
	for _, e := range entries {
		if err := next.step(e); err != nil {
			return err
		}
	}
	*c = next
	return nil
}

func (c *cursor) step(entry Entry) error {
	if t, ok := entry.(Takeover); ok {
		if t.Epoch != c.epoch+1 {
			return disorder("epoch %d follows epoch %d", t.Epoch, c.epoch)
		}
		c.epoch, c.stopped = t.Epoch, false
		return nil
	}
	if c.stopped {
		return disorder("a %s after the clean stop", entry.kind())
	}
	switch e := entry.(type) {
	case Plan:
		return c.plan(e)
	case Replan:
		return c.replan(e)
	case Done:
		b, ok := c.batch(e.Sequence)
		if !ok {
			return disorder("output %q of batch %d is done, and the batch is not open", e.Output, e.Sequence)
		}
		b.Done = append(slices.Clone(b.Done), e)
		c.change(b)
	case Commit:
		return c.over("commit", Mark{e.Sequence, e.Time})
	case Skip:
		return c.over("skip", Mark{e.Sequence, e.Time})
	case Burn:
		if e.Sequence != c.committed.Sequence {
			return disorder("effects of batch %d are burned, and batch %d is over last", e.Sequence,
				c.committed.Sequence)
		}
	case Import:
		return c.imported(e)
	case Released:
		if e.UpTo < c.released || e.UpTo > c.committed.Sequence {
			return disorder("batches up to %d are released, after %d and with batch %d committed", e.UpTo, c.released,
				c.committed.Sequence)
		}
		c.released = e.UpTo
	case Stop:
		if len(c.open) > 0 {
			return disorder("a clean stop with batch %d open", c.open[0].Sequence)
		}
		c.stopped = true
	}
	return nil
}

func (c *cursor) plan(p Plan) error {
	if p.Idle < 0 || p.Sequence != c.planned.Sequence+1+p.Idle || c.planned.Sequence >= 0 && p.Time <= c.planned.Time {
		return disorder("plan of batch %d at %d ms does not follow batch %d at %d ms", p.Sequence, p.Time,
			c.planned.Sequence, c.planned.Time)
	}
	c.planned = Mark{p.Sequence, p.Time}
	c.open = append(c.open, c.planned)
	c.change(Batch{Plan: p})
	return nil
}

// imported checks an import, which is planned and committed at once.
func (c *cursor) imported(i Import) error {
	m := Mark{i.Sequence, i.Time}
	if len(c.open) > 0 {
		return disorder("an import while batch %d is open", c.open[0].Sequence)
	}
	if m.Sequence != c.planned.Sequence+1 || c.planned.Sequence >= 0 && m.Time <= c.planned.Time {
		return disorder("an import as batch %d at %d ms does not follow batch %d at %d ms", m.Sequence, m.Time,
			c.planned.Sequence, c.planned.Time)
	}
	c.planned, c.committed = m, m
	return nil
}

func (c *cursor) replan(p Replan) error {
	b, ok := c.batch(p.Sequence)
	if !ok || b.Plan.Time != p.Time {
		return disorder("batch %d at %d ms is planned again, and is not open", p.Sequence, p.Time)
	}
	if len(b.Done) > 0 {
		return disorder("batch %d is planned again, and output %q is done", p.Sequence, b.Done[0].Output)
	}
	same := func(a, b Range) bool { return a.Version == b.Version && string(a.Data) == string(b.Data) }
	if !maps.EqualFunc(b.Plan.Ranges, p.Ranges, same) {
		return disorder("batch %d is planned again with other ranges", p.Sequence)
	}
	return nil
}

func (c *cursor) over(what string, m Mark) error {
	if len(c.open) == 0 || c.open[0] != m {
		return disorder("%s of batch %d at %d ms does not follow batch %d (the last plan is %d)", what, m.Sequence,
			m.Time, c.committed.Sequence, c.planned.Sequence)
	}
	c.committed, c.open = m, c.open[1:]
	return nil
}
