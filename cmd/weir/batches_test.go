package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// ones is a source whose batches have one number each.
type ones struct{}

func (ones) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		return []byte("0"), nil
	}
	return from, nil
}

func (ones) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	var n int
	_, err := fmt.Sscan(string(from), &n)
	return fmt.Append(nil, n+1), 1, err
}

func (ones) Read(sc *rdd.Context, rng []byte) *rdd.RDD[string] {
	return rdd.Parallelize(sc, []string{string(rng)})
}

func (ones) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

func (ones) Released(context.Context, []byte) error { return nil }

// TestBatches lists the batches of a program that was stopped.
func TestBatches(t *testing.T) {
	dir := t.TempDir()
	c := conf.New().Set("spark.master", "local[1]").Set("weir.checkpoint.retainedBatches", "3")
	ssc, err := dstream.NewContext(c, 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	ssc.Checkpoint(dir)
	ssc.SetOutput(&bytes.Buffer{})
	dstream.Print(dstream.FromSource(ssc, "ones", dstream.Source[string](ones{})).Named("ones"), 1).Named("out")
	fifth := make(chan struct{})
	ssc.AddListener(func(e dstream.Event) {
		if b, ok := e.(dstream.BatchCommitted); ok && b.Sequence == 5 {
			close(fifth)
		}
	})
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-fifth
	if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
		t.Fatal(err)
	}
	text := weirIn(t.Context(), nil, "batches", dir)
	text.wants(t, 0)
	for _, part := range []string{": stopped cleanly", "BATCH", "committed  ones   1        \""} {
		if !strings.Contains(text.out, part) {
			t.Errorf("%q is not in\n%s", part, text.out)
		}
	}
	var list []batchJSON
	if err := json.Unmarshal([]byte(weirIn(t.Context(), nil, "batches", dir, "--json").out), &list); err != nil {
		t.Fatal(err)
	}
	if n := len(list); n < 3 || n > 5 || list[n-1].Status != "committed" || list[n-1].Inputs[0].Input != "ones" {
		t.Errorf("%+v", list)
	}
	weirIn(t.Context(), nil, "batches", dir+"/none").wants(t, 1, "there is none")
	weirIn(t.Context(), nil, "batches").wants(t, 2, "weir batches needs a DIR")
}

// TestIdleBatches: those that had nothing to do are named where they were.
func TestIdleBatches(t *testing.T) {
	at := dstream.Time(1_000_000_000_000)
	one := []dstream.InputRecord{{Input: "ones", Records: 1, Range: []byte("x")}}
	info := &dstream.CheckpointInfo{Job: "j", Epoch: 1, Owner: "o", StoppedCleanly: true, Batches: []dstream.BatchRecord{
		{Time: at, Sequence: 4, Status: "committed", Inputs: one},
		{Time: at.Add(2 * time.Second), Sequence: 6, Idle: 1, Status: "committed", Inputs: one},
		{Time: at.Add(9 * time.Second), Sequence: 13, Idle: 6, Status: "planned", Inputs: one},
	}}
	var out bytes.Buffer
	if err := showBatches(&out, info); err != nil {
		t.Fatal(err)
	}
	want := `job j, epoch 1 of o: stopped cleanly
BATCH  TIME                      STATUS     INPUT  RECORDS  RANGE
4      2001-09-09T01:46:40.000Z  committed  ones   1        "x"
5      -                         idle       -      -        -
6      2001-09-09T01:46:42.000Z  committed  ones   1        "x"
7-12   -                         idle       -      -        -
13     2001-09-09T01:46:49.000Z  planned    ones   1        "x"
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// TestSkippedBatches: of a batch that was given up it is said why, and who has its records, kept or not.
func TestSkippedBatches(t *testing.T) {
	at := dstream.Time(1_000_000_000_000)
	info := &dstream.CheckpointInfo{Job: "j", Epoch: 1, Owner: "o", StoppedCleanly: true, Batches: []dstream.BatchRecord{
		{Time: at, Sequence: 4, Status: "committed"},
		{Time: at.Add(time.Second), Sequence: 5, Status: "skipped",
			Inputs: []dstream.InputRecord{{Input: "ones", Records: 1, Range: []byte("x")}}},
	}, Skipped: []dstream.SkippedBatch{
		{Time: at.Add(-3 * time.Second), Sequence: 1, Reason: "named"},
		{Time: at.Add(time.Second), Sequence: 5, Reason: "poison", In: []string{"a"}, Burned: []string{"b/x"},
			Unknown: []string{"c"}},
	}}
	var out bytes.Buffer
	if err := showBatches(&out, info); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(&out, batchesJSON(info)); err != nil {
		t.Fatal(err)
	}
	want := `job j, epoch 1 of o: stopped cleanly
BATCH  TIME                      STATUS     INPUT  RECORDS  RANGE
4      2001-09-09T01:46:40.000Z  committed  -      -        -
5      2001-09-09T01:46:41.000Z  skipped    ones   1        "x"
batch 1 was given up; outputs without its records: -; outputs that have them: -; not known of: -; why: named
batch 5 was given up; outputs without its records: b/x; outputs that have them: a; not known of: c; why: poison
[
  {
    "sequence": 1,
    "time": "2001-09-09T01:46:37Z",
    "status": "skipped",
    "inputs": [],
    "given_up": {
      "reason": "named",
      "written": [],
      "burned": [],
      "unknown": []
    }
  },
  {
    "sequence": 4,
    "time": "2001-09-09T01:46:40Z",
    "status": "committed",
    "inputs": []
  },
  {
    "sequence": 5,
    "time": "2001-09-09T01:46:41Z",
    "status": "skipped",
    "inputs": [
      {
        "input": "ones",
        "records": 1,
        "range": "eA=="
      }
    ],
    "given_up": {
      "reason": "poison",
      "written": [
        "a"
      ],
      "burned": [
        "b/x"
      ],
      "unknown": [
        "c"
      ]
    }
  }
]
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
