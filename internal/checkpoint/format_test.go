package checkpoint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestFormat holds the vectors of the page of formats against the code.
func TestFormat(t *testing.T) {
	lease, err := EncodeRecord("lease", lease{Job: "j", Epoch: 2, Owner: Owner{Host: "h", PID: 7}, Beat: 3, Next: 4, At: 5,
		Released: true})
	if err != nil {
		t.Fatal(err)
	}
	stop, err := EncodeRecord("stop", StopRequest{Job: "j", Epoch: 2, By: Owner{Host: "h", PID: 8}, At: 6, Within: 7})
	if err != nil {
		t.Fatal(err)
	}
	takeover := &slot{slotHead: slotHead{Job: "j", Epoch: 1, Writer: "w", At: 9, Every: 100}, base: newState("j", 8)}
	takeover.lines = lines(t, Takeover{Epoch: 1, Owner: Owner{Host: "h", PID: 7}, At: 9})
	first, err := takeover.encode()
	if err != nil {
		t.Fatal(err)
	}
	batch := &slot{slotHead: slotHead{Job: "j", Number: 3, Epoch: 1, Writer: "w", At: 9, Every: 100}}
	batch.lines = lines(t,
		Commit{Sequence: 0, Time: 1000, Effects: []Effect{{Output: "out", Wrote: true, Partitions: 4}},
			State: []StateChange{{Operator: "counts", Delta: []File{{Name: "state/f", Offset: 96, Length: 40, Sum: 7}}}}},
		Plan{Sequence: 1, Time: 2000, Seed: 1 << 60, Ranges: map[string]Range{
			"kafka": {Version: 1, Data: []byte("0:5-9"), Records: 4}, "blocks": {Data: []byte{0xff}}}})
	second, err := batch.encode()
	if err != nil {
		t.Fatal(err)
	}
	var segment bytes.Buffer
	w, err := NewSegmentWriter(&segment, SegmentHead{Kind: Received, Number: 2, First: 3, About: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Frame([]byte("a")) // A bytes.Buffer takes all.
	_ = w.Frame(nil)
	grown := segment.Len()
	_, _, _ = w.End()
	page, err := os.ReadFile("../../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][2]string{
		{"lease", strconv.Quote(string(lease))},
		{"request to stop", strconv.Quote(string(stop))},
		{"slot 0, which makes a log", strconv.Quote(string(first))},
		{"slot 3, commit and plan", strconv.Quote(string(second))},
		{"kind 1, number 2, first 3, about `{}`, frames `a` and none", hex.EncodeToString(segment.Bytes()[:grown])},
		{"the same with its end", hex.EncodeToString(segment.Bytes())},
	} {
		if want := "| " + row[0] + " | `" + row[1] + "` |"; !strings.Contains(string(page), want) {
			t.Errorf("docs/FORMAT.md does not have the row\n%s", want)
		}
	}
}

func lines(t *testing.T, entries ...Entry) (lines []json.RawMessage) {
	for _, e := range entries {
		line, err := encodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// TestFormatOfStates holds the vector of states against the code.
func TestFormatOfStates(t *testing.T) {
	h := StateHead{Operator: "op", Key: "string", Value: "int64", Seed: 7, From: 3, To: 3, Part: AllParts}
	delta, err := InlineState(h, func(w *StateWriter) {
		w.Row(StateRow{Kind: Came, Key: []byte("a"), Touch: 1000, Value: []byte{2}})
		w.Row(StateRow{Kind: Changed, Key: []byte("b"), Touch: 1000, Value: []byte{1}})
		w.Row(StateRow{Kind: Touched, Key: []byte("c"), Touch: 1000})
		w.Row(StateRow{Kind: Removed, Key: []byte("d")})
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	want := "| `a` came with 1, `b` became -1, `c` was touched, all at 1000; `d` was taken out | `" +
		hex.EncodeToString(delta) + "` |"
	if !strings.Contains(string(page), want) {
		t.Errorf("docs/FORMAT.md does not have the row\n%s", want)
	}
}
