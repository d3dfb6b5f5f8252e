package dstream

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// segmentOf is the segment of batch 3 of the operator op.
func segmentOf(t *testing.T, h checkpoint.StateHead, rows ...[]byte) string {
	h.Operator, h.From, h.To, h.Part, h.Panes = "op", 3, 3, checkpoint.AllParts, true
	segment, err := checkpoint.InlineState(h, func(w *checkpoint.StateWriter) {
		for i, r := range rows {
			if i > 0 && h.OfElements() {
				w.Cut()
			}
			w.Rows(r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(segment)
}

// keyedPane is that of a window that has a with 1 and b with -1.
func keyedPane(t *testing.T, values *codec.Codec[int64]) string {
	keys, err := codec.ForKey[string]()
	if err != nil {
		t.Fatal(err)
	}
	f := paneFiles[string, int64]{keys: keys, values: values}
	rows, err := f.encode(1000, []paneRow[string, int64]{{key: "a", value: 1}, {key: "b", value: -1}})
	if err != nil {
		t.Fatal(err)
	}
	return segmentOf(t, checkpoint.StateHead{Key: "string", Value: "int64", Seed: 7}, rows...)
}

// elementsPane is that of 1 and 2 in partition 0 of two.
func elementsPane(t *testing.T, values *codec.Codec[int64]) string {
	st := &staging{budget: block.NewBudget(1 << 20)}
	defer st.end()
	out, err := st.begin()
	if err != nil {
		t.Fatal(err)
	}
	e := elementRows[int64]{codec: values, out: out, now: 1000}
	for _, v := range []int64{1, 2} {
		if err := e.add(&v); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.end(); err != nil {
		t.Fatal(err)
	}
	if err := out.seal(); err != nil {
		t.Fatal(err)
	}
	rows := [][]byte{paneHead(1000, 2, "hash 7")}
	for row, err := range out.all() {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, append([]byte(nil), row...))
	}
	return segmentOf(t, checkpoint.StateHead{Value: "int64", Seed: 7}, rows...)
}

// rangeKind is how keys from a to c are dealt to three partitions.
func rangeKind(t *testing.T, opts ...rdd.ShuffleOption) string {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"))
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Stop(t.Context())
	keys := rdd.Map(rdd.Parallelize(sc, []string{"a", "b", "c"}), func(k string) rdd.Pair[string, int] { return rdd.KV(k, 0) })
	by, err := rdd.NewRangePartitioner(t.Context(), keys, 3, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return rdd.RepartitionByKey(keys, rdd.PartitionBy[string](by)).Dealing().Kind()
}

// TestFormatOfPanes holds the vectors of panes against the code.
func TestFormatOfPanes(t *testing.T) {
	values, err := codec.For[int64]()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][2]string{
		{"of the window: `a` with 1, `b` with -1", keyedPane(t, values)},
		{"of elements: 1 and 2 in partition 0, none in partition 1", elementsPane(t, values)},
		{"`a`, `b`", rangeKind(t)},
		{"`c`, `b`, falling", rangeKind(t, rdd.Descending())},
	} {
		if want := "| " + row[0] + " | `" + row[1] + "` |"; !strings.Contains(string(page), want) {
			t.Errorf("docs/FORMAT.md does not have the row\n%s", want)
		}
	}
}
