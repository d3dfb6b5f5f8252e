package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

type place struct {
	City string
	No   int
}

type visits struct {
	N     int
	Names []string
}

// kept runs a program with two states on a checkpoint for some seconds, a batch each, and calls meanwhile before it is
// stopped: in batch n comes "n", as n of the key "key n%2", and as a visit to n%2 London Street.
func kept(t *testing.T, dir string, seconds int, meanwhile func()) {
	t.Helper()
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[1]"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ssc.Checkpoint(dir)
	ssc.SetOutput(io.Discard)
	in := dstream.FromSource(ssc, "ones", dstream.Source[string](ones{})).Named("ones")
	sums := dstream.UpdateStateByKey(dstream.Map(in, func(s string) rdd.Pair[string, int] {
		n := len(s) * int(s[0]-'0')
		return rdd.KV(fmt.Sprint("key ", n%2), n)
	}), func(vs []int, s int, _ bool) (int, bool) {
		for _, v := range vs {
			s += v
		}
		return s, true
	}, rdd.Partitions(1)).Named("sums")
	places := dstream.UpdateStateByKey(dstream.Map(in, func(s string) rdd.Pair[place, string] {
		return rdd.KV(place{"London Street", int(s[0]-'0') % 2}, s)
	}), func(vs []string, s visits, _ bool) (visits, bool) {
		return visits{s.N + len(vs), append(s.Names, vs...)}, true
	}, rdd.Partitions(1)).Named("places")
	dstream.Print(sums, 1)
	dstream.Print(places, 1)
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Duration(seconds)*time.Second + 250*time.Millisecond)
	meanwhile()
	if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
		t.Fatal(err)
	}
}

// A line of a transcript: DIR stands for the checkpoint.
type said struct {
	args, stdin string
	code        int
	out         string
	err         []string
}

func transcript(t *testing.T, dir string, steps []said) {
	t.Helper()
	for _, s := range steps {
		args := strings.Split(strings.ReplaceAll(s.args, "DIR", dir), " ")
		r := weirIn(t.Context(), strings.NewReader(s.stdin), args...)
		if r.code != s.code || told(s.args, r.out) != told(s.args, s.out) {
			t.Errorf("weir %s: code %d, want %d; error %q, got\n%s\nwant\n%s", s.args, r.code, s.code, r.err, r.out, s.out)
		}
		r.wants(t, s.code, s.err...)
		if r.code == 0 && r.err != "" && s.err == nil {
			t.Errorf("weir %s: error %q", s.args, r.err)
		}
	}
}

// bytesOf are digits that depend on the seed under which the checkpoint deals keys.
var bytesOf = regexp.MustCompile(`"bytes": [0-9]+`)

// told is an output without what the seed decides: sizes, and the order in which a state's keys come.
func told(args, out string) string {
	out = bytesOf.ReplaceAllString(out, `"bytes": N`)
	for _, byKey := range []string{"state scan", "state diff", "state export"} {
		if strings.HasPrefix(args, byKey) {
			lines := strings.SplitAfter(out, "\n")
			slices.Sort(lines)
			out = strings.Join(lines, "")
		}
	}
	return out
}

// TestState is a transcript: what the commands show of a checkpoint whose batches 0 to 3 took 1 to 4.
func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "ckpt")
		kept(t, dir, 4, func() {})
		visited := []string{
			`{"key":{"City":"London Street","No":0},"value":{"N":2,"Names":["2","4"]},` +
				`"touched":"2000-01-01T00:00:04.000Z"}` + "\n",
			`{"key":{"City":"London Street","No":1},"value":{"N":2,"Names":["1","3"]},` +
				`"touched":"2000-01-01T00:00:03.000Z"}` + "\n",
		}
		one := weirIn(t.Context(), nil, "state", "scan", dir, "places", "-n", "1", "--json")
		if one.wants(t, 0); !slices.Contains(visited, one.out) {
			t.Errorf("one key is\n%s", one.out)
		}
		transcript(t, dir, []said{
			{args: "state list DIR --json", out: `[
  {
    "state": "places",
    "key": "{City string; No int64}",
    "value": "{N int64; Names []string}",
    "batch": 3,
    "files": 0,
    "bytes": 0
  },
  {
    "state": "sums",
    "key": "string",
    "value": "int64",
    "batch": 3,
    "files": 0,
    "bytes": 0
  }
]
`},
			{args: `state get DIR sums "key\u00201"`, out: "4\n"},
			{args: "state get DIR sums key_1", code: 1,
				err: []string{`the state "sums" has no key key_1 as of batch 3 of 2000-01-01T00:00:04.000Z`}},
			{args: `state get DIR sums "key\u00201" --json`, out: "" +
				`{"key":"key 1","value":4,"touched":"2000-01-01T00:00:03.000Z"}` + "\n"},
			{args: `state get DIR sums "key\u00201" --at 1`, out: "1\n"},
			{args: `state get DIR sums "key\u00201" --at 2000-01-01T00:00:02Z`, out: "1\n"},
			{args: `state get DIR sums "key\u00201" --at -1h`, code: 1,
				err: []string{"the oldest batch that is kept is number 0, of 2000-01-01T00:00:01.000Z, which is after -1h"}},
			{args: `state get DIR sums x --at 9`, code: 1,
				err: []string{`the state "sums" as of batch 9: batch 9 is not committed: the last one is 3`}},
			{args: `state get DIR sums x --at soon`, code: 2,
				err: []string{"a batch is given by its number or a time", "see 'weir state get --help'"}},
			{args: `state get DIR places {"No":1,"City":"London\u0020Street"}`, out: `{"N":2,"Names":["1","3"]}` + "\n"},
			{args: `state get DIR places {"No":1}`, code: 2, err: []string{"the key {\"No\":1}: ", "the field City is missing"}},
			{args: `state get DIR places null`, code: 2, err: []string{"the key null: ", "null is no object of fields"}},
			{args: `state get DIR place {}`, code: 1, err: []string{`the state "place": there is no such state`, `["places" "sums"]`}},
			{args: "state scan DIR sums", out: "" +
				"\"key 0\"\t6\t2000-01-01T00:00:04.000Z\n\"key 1\"\t4\t2000-01-01T00:00:03.000Z\n"},
			{args: "state scan DIR places --json", out: strings.Join(visited, "")},
			{args: "state scan DIR places -n -1", code: 2, err: []string{"-n must be at least 1"}},
			{args: "state scan DIR places -n 0", code: 2, err: []string{"-n must be at least 1"}},
			{args: "offsets show g --checkpoint DIR", code: 2,
				err: []string{`weir offsets show takes no GROUP with --checkpoint: "g" is one too many`}},
			{args: "state diff DIR sums 0", out: "+\t\"key 0\"\t6\n~\t\"key 1\"\t1\t4\n" +
				"from batch 0 to batch 3 of 2000-01-01T00:00:04.000Z: came 1, gone 0, changed 1\n"},
			{args: "state diff DIR sums 1 0", out: "-\t\"key 0\"\t2\n" +
				"from batch 1 to batch 0 of 2000-01-01T00:00:01.000Z: came 0, gone 1, changed 0\n"},
			{args: "state diff DIR sums 1 2 --json", out: `{"key":"key 1","before":1,"after":4}` + "\n"},
			{args: "state diff DIR sums 1 2 3", code: 2, err: []string{`"3" is one too many`}},
			{args: "state diff DIR sums", code: 2, err: []string{"weir state diff needs a DIR, a STATE and one BATCH or two"}},
			{args: "state", code: 2, err: []string{"weir state needs a command: diff, export, get, import, list, scan"}},
			{args: "state list DIRx", code: 1, err: []string{"ckptx: there is none"}},
		})
	})
}

// TestStateImport is a transcript: what is exported is imported, by hand changed lines too, and the program goes on.
func TestStateImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "ckpt")
		kept(t, dir, 3, func() {})
		const head = `{"weir":"state","version":1,"operator":"sums","key":"string","value":"int64","batch":2,` +
			`"time":"2000-01-01T00:00:03.000Z"}` + "\n"
		const rows = `{"key":"key 0","value":2,"touched":"2000-01-01T00:00:02.000Z"}` + "\n" +
			`{"key":"key 1","value":4,"touched":"2000-01-01T00:00:03.000Z"}` + "\n"
		const end = `{"weir":"end","keys":2}` + "\n"
		file := filepath.Join(t.TempDir(), "sums.jsonl")
		transcript(t, dir, []said{
			{args: "state export DIR sums", out: head + rows + end},
			{args: "state export DIR sums " + file},
			{args: "state export DIR sums " + file, code: 1, err: []string{file + " exists already: remove it"}},
			{args: "state import DIR sums " + file, out: "came 0, changed 0, removed 0, the same 2: nothing was changed\n"},
			{args: "state import DIR places " + file, code: 1, err: []string{file + `, line 1: the file is of the state "sums"`}},
			{args: "state import DIR places", stdin: strings.Replace(head, `"sums"`, `"places"`, 1), code: 1,
				err: []string{"standard input, line 1: the file has keys string and values int64, and the state " +
					"{City string; No int64} and {N int64; Names []string}"}},
			{args: "state import DIR sums", stdin: strings.Replace(head, `version":1`, `version":2`, 1), code: 1,
				err: []string{`standard input, line 1: version 2 of "state" is none that this release knows`}},
			{args: "state import DIR sums --whole --yes", stdin: strings.Replace(head, `"sums"`, `"totals"`, 1) + rows + end,
				code: 1, err: []string{`standard input, line 1: the file is of the state "totals": if it is meant for ` +
					`"sums", correct the name in its first line`}},
			{args: "state import DIR sums", stdin: head + head, code: 1, err: []string{"line 2: a second head"}},
			{args: "state import DIR sums", stdin: head + `{"key":"a","value":"b"}`, code: 1,
				err: []string{`standard input, line 2: the value: `, `"b" is no int64`}},
			{args: "state import DIR sums", stdin: `{"key":"a","valeu":1}`, code: 1, err: []string{`unknown field "valeu"`}},
			{args: "state import DIR sums", stdin: `{"key":"a"}`, code: 1, err: []string{`or "removed":true`}},
			{args: "state import DIR sums", stdin: `{"key":"a","value":1} {"key":"b","value":2}`, code: 1,
				err: []string{"standard input, line 1: a second value follows on the line"}},
			{args: "state import DIR sums", stdin: `{"key":"a","value":1,"keys":1}`, code: 1, err: []string{"a line has a key"}},
			{args: "state import DIR sums --whole --yes", code: 1, err: []string{"standard input: it has no lines, and with " +
				"--whole all keys would go"}},
			{args: "state import DIR sums --whole --yes", stdin: head + rows, code: 1,
				err: []string{`standard input: it was cut: its last line, {"weir":"end",...}, is not there`}},
			{args: "state import DIR sums --whole --yes", stdin: head, code: 1, err: []string{"it was cut"}},
			{args: "state import DIR sums", stdin: head + rows[:strings.Index(rows, "\n")+1] + end, code: 1,
				err: []string{"line 3: 1 lines with keys come before, and not as many as the last line says"}},
			{args: "state import DIR sums", stdin: head + rows + end + rows, code: 1,
				err: []string{"standard input, line 5: the file ends on line 4: are these two files?"}},
			{args: "state import DIR sums", stdin: rows + head, code: 1, err: []string{"line 3: a second head"}},
			{args: "state import DIR sums --whole --dry-run", stdin: head + `{"weir":"end","keys":0}`,
				out: "came 0, changed 0, removed 2, the same 0: that would be; nothing was changed (--dry-run)\n"},
			{args: "state import DIR sums", out: "came 0, changed 0, removed 0, the same 0: nothing was changed\n"},
			{args: "state import DIR sums", stdin: rows + rows, code: 1, err: []string{"standard input, line 3: ",
				"on line 1 already"}},
			{args: "state import DIR sums", stdin: `{"key":"key 1","value":10}`, code: 1,
				err: []string{"1 keys have other values, and 0 would go", "--dry-run", "add --yes"}},
			{args: "state import DIR sums --whole --dry-run", stdin: `{"key":"key 1","value":10}`,
				out: "came 0, changed 1, removed 1, the same 0: that would be; nothing was changed (--dry-run)\n"},
			{args: "state import DIR sums --yes", stdin: `{"key":"key 1","value":10}` + "\n\n" +
				`{"key":"new","value":1,"touched":"2000-01-01T00:00:01Z"}` + "\n" + `{"key":"key 0","removed":true}`,
				out: "came 1, changed 1, removed 1, the same 0: it is batch 3 of 2000-01-01T00:00:03.001Z in the checkpoint\n"},
			{args: "state scan DIR sums", out: "" +
				"\"new\"\t1\t2000-01-01T00:00:01.000Z\n\"key 1\"\t10\t2000-01-01T00:00:03.250Z\n"},
			{args: "state diff DIR sums 2", out: "+\t\"new\"\t1\n-\t\"key 0\"\t2\n~\t\"key 1\"\t4\t10\n" +
				"from batch 2 to batch 3 of 2000-01-01T00:00:03.001Z: came 1, gone 1, changed 1\n"},
			{args: "state import DIR sums " + file + " --yes --whole",
				out: "came 1, changed 1, removed 1, the same 0: it is batch 4 of 2000-01-01T00:00:03.002Z in the checkpoint\n"},
			{args: "state export DIR sums --at 2", out: head + rows + end},
			{args: "state import DIR sums --yes", stdin: `{"key":"key 1","value":10}`,
				out: "came 0, changed 1, removed 0, the same 0: it is batch 5 of 2000-01-01T00:00:03.003Z in the checkpoint\n"},
		})
		changed := []string{"weir: warning: that is batch 2: states were changed by hand after it, up to batch 5, and when " +
			"is not kept; to see them as of then, give the number"}
		transcript(t, dir, []said{
			{args: `state get DIR sums "key\u00201" --at 2000-01-01T00:00:04Z`, out: "4\n", err: changed},
			{args: `state get DIR sums "key\u00201" --at 2000-01-01T00:00:02Z`, out: "1\n"},
			{args: `state get DIR sums "key\u00201" --at 3`, out: "10\n"},
			{args: "state diff DIR sums 2000-01-01T00:00:02.500Z 2000-01-01T00:00:04Z", out: "~\t\"key 1\"\t1\t4\n" +
				"from batch 1 to batch 2 of 2000-01-01T00:00:03.000Z: came 0, gone 0, changed 1\n", err: changed},
		})
		kept(t, dir, 3, func() {}) // 4, 5 and 6 come.
		transcript(t, dir, []said{
			{args: `state get DIR sums "key\u00201" --at 2000-01-01T00:00:03.500Z`, out: "4\n", err: changed},
			{args: `state get DIR sums "key\u00201" --at 2000-01-01T00:00:04Z`, out: "10\n"},
			{args: "state scan DIR sums --json", out: "" +
				`{"key":"key 0","value":12,"touched":"2000-01-01T00:00:06.000Z"}` + "\n" +
				`{"key":"key 1","value":15,"touched":"2000-01-01T00:00:05.000Z"}` + "\n"},
		})
		list := weirIn(t.Context(), nil, "batches", dir)
		if list.wants(t, 0); strings.Count(list.out, "imported") != 3 {
			t.Errorf("the batches are\n%s", list.out)
		}
	})
}

// TestToFile: what could not be written to its end is not there, under whose name another may be written.
func TestToFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	full := errors.New("no space left")
	half := func(out io.Writer) error {
		_, err := io.WriteString(out, "half\n")
		return errors.Join(err, full)
	}
	if err := toFile(io.Discard, []string{name}, half); !errors.Is(err, full) {
		t.Errorf("it gives %v", err)
	}
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half file: %v", err)
	}
	all := func(out io.Writer) error {
		_, err := io.WriteString(out, "whole\n")
		return err
	}
	if err := toFile(io.Discard, []string{name}, all); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(name); string(got) != "whole\n" || err != nil {
		t.Errorf("the whole file: %q, %v", got, err)
	}
}

// TestStateInUse: what runs can be looked at and not changed.
func TestStateInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "ckpt")
		kept(t, dir, 2, func() {
			transcript(t, dir, []said{
				{args: `state get DIR sums "key\u00201"`, out: "1\n"},
				{args: "state import DIR sums - --dry-run", stdin: `{"key":"a","value":1}`, code: 3,
					out: "came 1, changed 0, removed 0, the same 0: that would be; nothing was changed (--dry-run)\n",
					err: []string{"weir: checkpoint " + dir + ": nothing was changed, and now the change would be refused: " +
						"it is held by ", ", which is alive: stop it"}},
				{args: "state import DIR sums -", stdin: `{"key":"a","value":1}`, code: 3,
					err: []string{"weir: checkpoint " + dir + ": it is held by ", ", which is alive: stop it"}},
			})
		})
	})
}
