package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// An Entry is one thing that the log holds: a value of one of the types of this file.
type Entry interface{ kind() string }

// An Owner is a process that writes, or has written, the log.
type Owner struct {
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	Program string `json:"program,omitempty"`
	// Machine and Started tell the process from others of that number, where the system can tell; see [Here].
	Machine string `json:"machine,omitempty"`
	Started string `json:"started,omitempty"`
}

// String gives program, host and process.
func (o Owner) String() string {
	where := fmt.Sprintf("process %d on %s", o.PID, o.Host)
	if o.Program != "" {
		return o.Program + ", " + where
	}
	return where
}

// A Takeover begins an epoch. The log writes it itself.
type Takeover struct {
	Epoch int64 `json:"epoch"`
	Owner Owner `json:"owner"`
	// At is the owner's clock, in milliseconds.
	At int64 `json:"at"`
	// Settings are those that matter to who reads the log. None of them is ever taken from there.
	Settings    map[string]string `json:"settings,omitempty"`
	Fingerprint uint64            `json:"fingerprint,string"`
	// GivenUp are the ids that the settings ask to be dropped.
	GivenUp []string `json:"givenUp,omitempty"`
}

// A Range is what a batch takes from an input, or a position of it, in the words of its source, which also counts
// the versions of these words.
type Range struct {
	Version int
	Data    []byte
	// Records is how many records the range is said to hold.
	Records int64
}

type rangeJSON struct {
	Version int     `json:"version"`
	Records int64   `json:"records,omitempty"`
	Text    *string `json:"text,omitempty"`
	Bytes   *[]byte `json:"base64,omitempty"`
}

// MarshalJSON writes what is text as text, so that a log can be read.
func (r Range) MarshalJSON() ([]byte, error) {
	j := rangeJSON{Version: r.Version, Records: r.Records}
	switch text := string(r.Data); {
	case r.Data == nil:
	case utf8.Valid(r.Data):
		j.Text = &text
	default:
		j.Bytes = &r.Data
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Range) UnmarshalJSON(data []byte) error {
	var j rangeJSON
	if err := strictly(data, &j); err != nil {
		return err
	}
	*r = Range{Version: j.Version, Records: j.Records}
	switch {
	case j.Text != nil && j.Bytes != nil:
		return errors.New("a range has text and base64")
	case j.Text != nil:
		r.Data = []byte(*j.Text)
	case j.Bytes != nil:
		r.Data = append([]byte{}, *j.Bytes...)
	}
	return nil
}

// A Start says where inputs begin, by their ids: before the first batch, and when an input is added; and where one goes
// on that the user has moved.
type Start struct {
	Positions map[string]Range `json:"positions"`
}

// An Adopt says where a partition of an input begins that was not there before. Sources say that in their ranges, and
// this release writes none; but logs of the first version may hold it.
type Adopt struct {
	Source    string `json:"source"`
	Partition string `json:"partition"`
	Position  Range  `json:"position"`
}

// A Split is all that decides which record lands where, but for the ranges. What it says by id it says by the ids of
// operators or outputs.
type Split struct {
	// Partitions and Partitioners are those of shuffles and inputs.
	Partitions   map[string]int    `json:"partitions,omitempty"`
	Partitioners map[string]string `json:"partitioners,omitempty"`
	// DealSeed is the seed of the hash that deals keys.
	DealSeed uint64 `json:"dealSeed,string"`
	// Buckets deals the buckets of states.
	Buckets map[string]Deal `json:"buckets,omitempty"`
	// Fingerprint is that of the graph, and Operators are the graph, so that another one can be told by name in what it
	// differs. Logs of early releases have no operators.
	Fingerprint uint64     `json:"fingerprint,string"`
	Operators   []Operator `json:"operators,omitempty"`
}

// An Operator is a vertex of a program's graph.
type Operator struct {
	ID   string `json:"id"`
	Op   string `json:"op"`
	Type string `json:"type,omitempty"`
	// Slide is in milliseconds, and so is LooksBack: how much older than its batch is what a window has in it. Logs of
	// early releases do not say it.
	Slide     int64 `json:"slide"`
	LooksBack int64 `json:"looksBack,omitempty"`
	// From are the places of its parents in the list, which are before its own.
	From []int `json:"from,omitempty"`
}

// A Deal is how many buckets a state has and among how many partitions they are dealt.
type Deal struct {
	Buckets    int `json:"buckets"`
	Partitions int `json:"partitions"`
}

// A Plan fixes a batch.
type Plan struct {
	// Sequence is dense, Time strictly increasing, in milliseconds.
	Sequence int64 `json:"sequence"`
	Time     int64 `json:"time"`
	// Idle counts the batches before this one that had nothing to do and have no entries of their own.
	Idle int64 `json:"idle,omitempty"`
	// Ranges holds what the batch takes from each input, by the input's operator id.
	Ranges map[string]Range `json:"ranges"`
	// Seed is where the random operators of the batch begin.
	Seed uint64 `json:"seed,string"`
	// Split is nil if it is that of the plan before. The plans of a [State] have theirs.
	Split *Split `json:"split,omitempty"`
}

// A Replan supersedes the plan of a batch that is not committed and has no effects: sequence, time and ranges are those
// of the plan.
type Replan struct {
	Plan
}

// An Effect is what an output did, or would have done, in a batch.
type Effect struct {
	Output string `json:"output"`
	Name   string `json:"name,omitempty"`
	// Wrote is false if there was nothing to write: then no identity was stored.
	Wrote bool `json:"wrote,omitempty"`
	// Partitions is how many identities the effect has: 0 if it wrote and its sink keeps none.
	Partitions int `json:"partitions,omitempty"`
}

// A Done says that an output of a batch has finished and is not run again, though the batch is not committed yet.
type Done struct {
	Sequence int64    `json:"sequence"`
	Output   string   `json:"output"`
	Effects  []Effect `json:"effects,omitempty"`
}

// A File is a part of a file, by its name in the checkpoint's folder.
type File struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset,omitempty"`
	Length int64  `json:"length"`
	// Sum is the CRC-32C of these bytes.
	Sum uint32 `json:"sum"`
}

// A StateChange is what a batch did to the state of an operator.
type StateChange struct {
	Operator string `json:"operator"`
	// Delta holds the changes of this batch, Inline those that are so few that they need no file, and no sync of one.
	Delta  []File `json:"delta,omitempty"`
	Inline []byte `json:"inline,omitempty"`
	// Snapshot, if not empty, is the whole state as of the batch SnapshotAt, which is this one or an earlier one.
	Snapshot   []File `json:"snapshot,omitempty"`
	SnapshotAt int64  `json:"snapshotAt,omitempty"`
	// Panes tells that the operator is a window, and that the rows are those of its panes.
	Panes bool `json:"panes,omitempty"`
}

// A Rate is what the rate control of an input has learnt.
type Rate struct {
	Rate        float64 `json:"rate"`
	Speed       float64 `json:"speed,omitempty"`
	Carry       float64 `json:"carry,omitempty"`
	LatestTime  int64   `json:"latestTime,omitempty"`
	LatestRate  float64 `json:"latestRate,omitempty"`
	LatestError float64 `json:"latestError,omitempty"`
}

// A Commit says that all effects of a batch are in.
type Commit struct {
	Sequence int64         `json:"sequence"`
	Time     int64         `json:"time"`
	Effects  []Effect      `json:"effects,omitempty"`
	State    []StateChange `json:"state,omitempty"`
	// Positions are those of inputs whose positions are not told by their ranges.
	Positions map[string]Range `json:"positions,omitempty"`
	// Rates are those that changed.
	Rates map[string]Rate `json:"rates,omitempty"`
}

// A Skip says that a batch is given up, for ever, after its identities were fenced. The state stays as it was.
type Skip struct {
	Sequence int64  `json:"sequence"`
	Time     int64  `json:"time"`
	Reason   string `json:"reason"`
	// In are the effects that are in, Burned those that will never be.
	In     []Effect `json:"in,omitempty"`
	Burned []Effect `json:"burned,omitempty"`
	// Unknown are those that may be in, or come in, wholly or in part.
	Unknown []Effect `json:"unknown,omitempty"`
}

// A Burn says what became of effects of the batch that is over last, which is given up, and whose Skip has them as
// unknown: they were burned behind that, so that nothing was burned of a batch that could still run.
type Burn struct {
	Sequence int64 `json:"sequence"`
	// In, Burned and Unknown take the place of those of the Skip.
	In      []Effect `json:"in,omitempty"`
	Burned  []Effect `json:"burned,omitempty"`
	Unknown []Effect `json:"unknown,omitempty"`
}

// An Import says that states were changed by hand, while nothing ran. It is a batch of its own, that has neither plan
// nor effects, so that the state as it was before can still be read.
type Import struct {
	Sequence int64         `json:"sequence"`
	Time     int64         `json:"time"`
	Reason   string        `json:"reason,omitempty"`
	State    []StateChange `json:"state"`
}

// A Transaction is a transactional id that is about to be used.
type Transaction struct {
	Output string `json:"output"`
	ID     string `json:"id"`
}

// Transactions says which transactional ids are about to be used, so that the next owner can fence them. They count
// until the next clean stop.
type Transactions struct {
	Opened []Transaction `json:"opened"`
}

// A Released says that nothing will ask for batches up to this one again.
type Released struct {
	UpTo int64 `json:"upTo"`
}

// A Rename says that an operator, input or output has another id now, or, with To empty, that what the log knows of it
// is dropped. The user has confirmed that.
type Rename struct {
	From string `json:"from"`
	To   string `json:"to,omitempty"`
}

// A Stop is a clean stop: no batch is open, no transaction either. Nothing follows but a takeover.
type Stop struct{}

func (Takeover) kind() string     { return "takeover" }
func (Start) kind() string        { return "start" }
func (Adopt) kind() string        { return "adopt" }
func (Plan) kind() string         { return "plan" }
func (Replan) kind() string       { return "replan" }
func (Done) kind() string         { return "done" }
func (Commit) kind() string       { return "commit" }
func (Skip) kind() string         { return "skip" }
func (Burn) kind() string         { return "burn" }
func (Import) kind() string       { return "import" }
func (Transactions) kind() string { return "transactions" }
func (Released) kind() string     { return "released" }
func (Rename) kind() string       { return "rename" }
func (Stop) kind() string         { return "stop" }

// decoders knows each kind of entry by its name.
var decoders = map[string]func(raw []byte) (Entry, error){
	"takeover": decodeAs[Takeover], "start": decodeAs[Start], "adopt": decodeAs[Adopt], "plan": decodeAs[Plan],
	"replan": decodeAs[Replan], "done": decodeAs[Done], "commit": decodeAs[Commit], "skip": decodeAs[Skip],
	"burn": decodeAs[Burn], "import": decodeAs[Import], "transactions": decodeAs[Transactions],
	"released": decodeAs[Released], "rename": decodeAs[Rename], "stop": decodeAs[Stop],
}

func decodeAs[E Entry](raw []byte) (Entry, error) {
	var e E
	err := strictly(raw, &e)
	return e, err
}

// encodeEntry gives the line of an entry: an object whose one field is named for its kind.
func encodeEntry(e Entry) (json.RawMessage, error) {
	value, err := encodeLine(e)
	if err != nil {
		return nil, fmt.Errorf("%w: a %s entry cannot be encoded: %w", ErrOrder, e.kind(), err)
	}
	line := make([]byte, 0, len(e.kind())+len(value)+8)
	line = append(strconv.AppendQuote(append(line, '{'), e.kind()), ':')
	return append(append(line, bytes.TrimSuffix(value, []byte("\n"))...), "}\n"...), nil
}

func decodeEntry(line []byte) (Entry, error) {
	var fields map[string]json.RawMessage
	if err := strictly(line, &fields); err != nil {
		return nil, err
	}
	if len(fields) != 1 {
		return nil, fmt.Errorf("an entry has %d kinds", len(fields))
	}
	for kind, raw := range fields {
		decode := decoders[kind]
		if decode == nil {
			return nil, fmt.Errorf("an entry is of the kind %q, which this release does not know", kind)
		}
		e, err := decode(raw)
		if err != nil {
			return nil, fmt.Errorf("a %s entry: %w", kind, err)
		}
		return e, nil
	}
	return nil, nil
}
