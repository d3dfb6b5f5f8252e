package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// transcriptOn is transcript on a cluster; FILES stands for a folder.
func transcriptOn(t *testing.T, k *kfake.Cluster, dir, files string, steps []said) {
	t.Helper()
	places := strings.NewReplacer("DIR", dir, "FILES", files)
	for _, s := range steps {
		args := strings.Fields(places.Replace(s.args))
		if !strings.Contains(s.args, "--brokers") {
			args = append(args, "--brokers", "%")
		}
		r := weirOn(t, k, s.stdin, args...)
		if want := places.Replace(s.out); r.code != s.code || r.out != want {
			t.Errorf("weir %s: code %d, want %d; error %q, got\n%s\nwant\n%s", s.args, r.code, s.code, r.err, r.out, want)
		}
		for i := range s.err {
			s.err[i] = places.Replace(s.err[i])
		}
		if r.wants(t, s.code, s.err...); r.code == 0 && r.err != "" && s.err == nil {
			t.Errorf("weir %s: error %q", s.args, r.err)
		}
	}
}

// reads runs a program on a checkpoint until n records have come, and gives the values of its first batch with any and
// all others, by partitions and offsets.
func reads(t *testing.T, k *kfake.Cluster, dir string, n int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := conf.New().Set("spark.master", "local[1]")
	var got []string
	all := make(chan struct{})
	ssc, err := dstream.GetOrCreate(dir, c, 20*time.Millisecond, func(ssc *dstream.Context) error {
		lines, err := kafka.DirectStream(ssc, kafka.Subscribe("lines"), kafka.Params{
			"bootstrap.servers": k.ListenAddrs()[0], "group.id": "lines_job"}, kafka.String, kafka.String)
		if err != nil {
			return err
		}
		ssc.SetOutput(io.Discard)
		dstream.ForeachRDD(lines.Named("lines"), func(ctx context.Context, r *rdd.RDD[kafka.Record[string, string]],
			_ *dstream.Batch) error {
			texts, err := rdd.Collect(ctx, rdd.Map(r, func(r kafka.Record[string, string]) string {
				return fmt.Sprintf("%d:%d=%s", r.Partition, r.Offset, r.Value)
			}))
			before := len(got)
			if got = append(got, texts...); before < n && len(got) >= n {
				close(all)
			}
			return err
		}).Named("read")
		return nil
	})
	if err == nil {
		err = ssc.Start(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-all:
	case <-ctx.Done():
		t.Errorf("of %d records came %v", n, got)
	}
	if err := ssc.Stop(ctx, dstream.Graceful()); err != nil {
		t.Fatal(err)
	}
	return strings.Join(got, " ")
}

// planOne leaves a batch open in a checkpoint, as a process does that dies, and calls meanwhile before that.
func planOne(t *testing.T, dir string, meanwhile func()) {
	t.Helper()
	log, r, err := checkpoint.Open(t.Context(), vfs.Local{}, dir, checkpoint.Here("test"), checkpoint.Options{})
	if err == nil {
		err = log.Append(t.Context(), checkpoint.Plan{Sequence: r.Planned.Sequence + 1, Time: r.Planned.Time + 1000})
	}
	if err == nil {
		meanwhile()
		err = log.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestOffsetsMove is a transcript: from a group to a checkpoint, a program that begins there, and back.
func TestOffsetsMove(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(2, "lines", "other"))
	dir, files := filepath.Join(t.TempDir(), "ckpt"), t.TempDir()
	transcriptOn(t, k, dir, files, []said{
		{args: "produce lines --partition 0 a b c d", out: "" +
			"wrote 4 records to lines\nPARTITION  RECORDS  FIRST OFFSET  LAST OFFSET\n0          4        0             3\n"},
		{args: "produce lines --partition 1 --timestamp 2023-11-14T22:13:20Z x y", out: "" +
			"wrote 2 records to lines\nPARTITION  RECORDS  FIRST OFFSET  LAST OFFSET\n1          2        0             1\n"},
		{args: "offsets import old", stdin: "lines,0,2\n", code: 1, err: []string{`group "old" does not exist`, "add --new"}},
		{args: "offsets import old --new", stdin: "lines,0,2\n", out: "" +
			"group old goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          -       2\nlines  1          -       -\n"},
		{args: "offsets export old", out: "topic,partition,offset\nlines,0,2\n"},
		{args: "offsets export old FILES/old.csv"},
		{args: "offsets import --checkpoint DIR FILES/old.csv", code: 1,
			err: []string{"checkpoint DIR: there is none", "by --input", "Named"}},
		{args: "offsets import --checkpoint DIR --input lines FILES/old.csv", code: 1,
			err: []string{"input lines of DIR has no offset of lines-1", "from its beginning", "--missing"}},
		{args: "offsets import --checkpoint DIR --input lines FILES/old.csv --missing latest --dry-run", out: "" +
			"input lines of DIR would go on there; nothing was committed (--dry-run):\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          -       2\nlines  1          -       2\n"},
		{args: "offsets import --checkpoint DIR --input lines --missing earliest FILES/old.csv", out: "" +
			"input lines of DIR goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          -       2\nlines  1          -       0\n"},
		{args: "offsets export --checkpoint DIR", out: "topic,partition,offset\nlines,0,2\nlines,1,0\n"},
	})
	if got := reads(t, k, dir, 4); got != "0:2=c 0:3=d 1:0=x 1:1=y" {
		t.Errorf("the first run reads %s", got)
	}
	transcriptOn(t, k, dir, files, []said{
		{args: "offsets show --checkpoint DIR", out: "" +
			"input lines of DIR\nTOPIC  PARTITION  COMMITTED  PLANNED  START  END  LAG\n" +
			"lines  0          4          4        0      4    0\nlines  1          2          2        0      2    0\n"},
		{args: "offsets show --checkpoint DIR --input line", code: 1,
			err: []string{`DIR has no input "line", but lines: did you mean lines?` + "\n"}},
		{args: "offsets export --checkpoint DIR --input line", code: 1,
			err: []string{`DIR has no input "line", but lines: did you mean lines?` + "\n"}},
		{args: "offsets show --checkpoint DIR --topic lins", code: 1,
			err: []string{`the input "lines" of DIR does not read the topic lins, but lines: did you mean lines?`}},
		{args: "offsets export --checkpoint DIR --topic lines --topic other", code: 1,
			err: []string{`the input "lines" of DIR does not read the topic other, but lines` + "\n"}},
		{args: "offsets export --checkpoint DIR --topic lines", out: "topic,partition,offset\nlines,0,4\nlines,1,2\n"},
		{args: "offsets reset --checkpoint DIR --topic lines --to -1", out: "" +
			"input lines of DIR goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          4       3\nlines  1          2       1\n"},
		{args: "offsets reset --checkpoint DIR --topic lines --partition 1 --at 2020-01-01", out: "" +
			"input lines of DIR goes on there:\nTOPIC  PARTITION  BEFORE  NOW\nlines  1          1       0\n"},
		{args: "offsets reset --checkpoint DIR --topic other --to latest", code: 1, err: []string{
			"input lines of DIR does not read the topic other, but lines", "add --new if the program is to read it"}},
		{args: "offsets import --checkpoint DIR", stdin: "lines,0,2\nother,0,0\nother,1,0\n", code: 1,
			err: []string{"input lines of DIR does not read the topic other, but lines"}},
		{args: "offsets reset --checkpoint DIR --topic other --to latest --new --dry-run", out: "" +
			"input lines of DIR would go on there; nothing was committed (--dry-run):\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nother  0          -       0\nother  1          -       0\n"},
		{args: "offsets reset --checkpoint DIR --topic other --to latest --partition 0 --new", code: 1,
			err: []string{"has no offset of other-1"}},
		{args: "offsets import --checkpoint DIR --input line", stdin: "lines,0,0\n", code: 1,
			err: []string{`has no input "line", but lines`, "did you mean lines?", "--new"}},
		{args: "offsets import --checkpoint DIR --missing latest", stdin: "lines,0,2\n", out: "" +
			"input lines of DIR goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          3       2\nlines  1          0       2\n"},
		{args: "offsets import --checkpoint DIR", stdin: "lines,1,1\n", out: "" +
			"input lines of DIR goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          2       2\nlines  1          2       1\n"},
		{args: "offsets import --checkpoint DIR --new --dry-run", stdin: "other,0,0\nother,1,0\n", out: "" +
			"input lines of DIR would go on there; nothing was committed (--dry-run):\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          2       2\nlines  1          1       1\n" +
			"other  0          -       0\nother  1          -       0\n"},
		{args: "offsets import --checkpoint DIR --missing earliest", stdin: "lines,0,2\n", out: "" +
			"input lines of DIR goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          2       2\nlines  1          1       0\n"},
	})
	if got := reads(t, k, dir, 4); got != "0:2=c 0:3=d 1:0=x 1:1=y" {
		t.Errorf("the second run reads %s", got)
	}
	torn := filepath.Join(t.TempDir(), "ckpt")
	if err := os.CopyFS(torn, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	planOne(t, torn, func() {
		held := []string{"it is held by test, process ", "which is alive: stop it first (weir stop DIR)"}
		wouldBe := "input lines of DIR would go on there; nothing was committed (--dry-run):\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          4       2\nlines  1          2       2\n"
		transcriptOn(t, k, torn, files, []said{
			{args: "offsets import --checkpoint DIR --dry-run", stdin: "lines,0,2\n", code: 3, out: wouldBe,
				err: append([]string{"checkpoint DIR: nothing was changed, and now the change would be refused: "}, held...)},
			{args: "offsets import --checkpoint DIR", stdin: "lines,0,2\n", code: 3, err: held},
		})
	})
	transcriptOn(t, k, torn, files, []said{
		{args: "offsets import --checkpoint DIR --dry-run", stdin: "lines,0,2\n", code: 1,
			err: []string{"DIR: nothing was changed, and now the change would be refused: batch ",
				"is planned and not committed", "stop it gracefully (weir stop DIR)", "at a start with weir.checkpoint.skip="}},
		{args: "offsets reset --checkpoint DIR --topic lines --to -1 --dry-run", code: 1,
			err: []string{"is planned and not committed"}},
		{args: "offsets reset --checkpoint DIR --topic lines --to -1", code: 1,
			err: []string{"checkpoint DIR: batch ", "is planned and not committed"}},
	})
	transcriptOn(t, k, dir, files, []said{
		{args: "offsets export --checkpoint DIR FILES/new.csv"},
		{args: "offsets import old FILES/new.csv", out: "" +
			"group old goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          2       4\nlines  1          -       2\n"},
	})
	out := weirIn(t.Context(), nil, "offsets", "show", "--checkpoint", dir)
	out.wants(t, 0)
	if !strings.Contains(out.out, "lines  0          4          4        -      -    -\n") {
		t.Errorf("without a broker:\n%s", out.out)
	}
}

// TestResetWhileWritten: records that come while it is asked where a topic begins and ends are no hindrance.
func TestResetWhileWritten(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	write := func() {
		weirOn(t, k, "", "produce", "lines", "--timestamp", "2023-11-14T22:13:20Z", "a", "--brokers", "%").wants(t, 0)
	}
	write()
	k.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		k.SleepControl(write)
		return nil, nil, false
	})
	r := weirOn(t, k, "", "offsets", "reset", "g", "--new", "--topic", "lines", "--at", "2100-01-01", "--brokers", "%")
	if r.wants(t, 0); !strings.HasPrefix(r.out, "group g goes on there:\n") {
		t.Errorf("it says %q", r.out)
	}
}

// TestOffsetsInPart: of a group that the broker lets move in some topics only, what became of it is shown.
func TestOffsetsInPart(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines", "other"), kfake.MaxVersions(kversion.V3_0_0()))
	must(t, k, "", "produce", "lines", "a", "b", "--brokers", "%")
	admin := kadm.NewClient(client(t, k))
	lines := kadm.Offsets{}
	lines.AddOffset("lines", 0, 2, -1)
	k.ControlKey(int16(kmsg.OffsetCommit), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		req := kreq.(*kmsg.OffsetCommitRequest)
		if len(req.Topics) == 1 {
			return nil, nil, false
		}
		k.SleepControl(func() { // The broker takes the one topic before it refuses the other.
			if err := admin.CommitAllOffsets(t.Context(), "g", lines); err != nil {
				t.Error(err)
			}
		})
		return refusing(req, "other"), nil, true
	})
	const why = "has no right to the topic (other/0)"
	const inPart = "weir: the group has moved in part: the table shows where it goes on now"
	transcriptOn(t, k, "", "", []said{
		{args: "offsets import g --new", stdin: "lines,0,1\n", out: "" +
			"group g goes on there:\nTOPIC  PARTITION  BEFORE  NOW\nlines  0          -       1\n"},
		{args: "offsets import g", stdin: "lines,0,2\nother,0,0\n", code: 1, err: []string{why, inPart}, out: "" +
			"group g goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\nlines  0          1       2\nother  0          -       -\n"},
		{args: "offsets import g", stdin: "lines,0,2\nother,0,0\n", code: 1, err: []string{why}},
	})
}

// refusing answers a commit as a broker does on which the client may not read a topic.
func refusing(req *kmsg.OffsetCommitRequest, topic string) *kmsg.OffsetCommitResponse {
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewOffsetCommitResponseTopic()
		st.Topic, st.TopicID = rt.Topic, rt.TopicID
		for _, rp := range rt.Partitions {
			sp := kmsg.NewOffsetCommitResponseTopicPartition()
			sp.Partition = rp.Partition
			if rt.Topic == topic {
				sp.ErrorCode = kerr.TopicAuthorizationFailed.Code
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

// TestOffsetsImport reads the formats of other tools, and refuses what does not fit.
func TestOffsetsImport(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(2, "lines"))
	must(t, k, "", "produce", "lines", "--partition", "0", "a", "b", "c", "d", "--brokers", "%")
	files := t.TempDir()
	for name, text := range map[string]string{
		"offsets/0": "v1\n{\"batchWatermarkMs\":0}\n{\"lines\":{\"0\":1,\"1\":0}}\n",
		"offsets/1": "v1\n{\"batchWatermarkMs\":0}\n-\n{\"lines\":{\"1\":0,\"0\":3}}\n3\n",
		"offsets/2": "v1\n{}\n{\"lines\":{\"1\":0,\"0\":4}}",
		"commits/0": "v1\n{}", "commits/1": "v1\n{}", "empty/offsets/0": "v1\n", "empty/commits/x": "",
	} {
		path := filepath.Join(files, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []struct {
		args, stdin string
		lines       string // offsets of partitions 0 and 1
		err         []string
	}{
		{"", "topic,partition,offset\nlines,0,3\n", "3", nil},
		{"", "# mine\nlines, 0, 3\nlines,1,0\n", "3 0", nil},
		{"", "old,lines,0,3\n", "3", nil},
		{"", "\ufefftopic,partition,offset\nlines,0,3\n", "3", nil},
		{"", "\ufeff\"lines\",0,3\n", "3", nil},
		{"", "topic,partition,offset,until_offset\nlines,0,1,3\n", "", []string{`standard input: line 1: the columns ` +
			`"offset" and "until_offset" may both be the offset: leave one out, or rename it`}},
		{"", "id,Until_Offset,TOPIC,\"partition\"\n7,3,lines,0\n", "3", nil},
		{"", "GROUP,TOPIC,PARTITION,CURRENT-OFFSET,LOG-END-OFFSET,LAG\ng,lines,0,2,4,2\n", "2", nil},
		{"", "old,lines,0,3\nold,lines,1,0\n", "3 0", nil},
		{"", "old,lines,0,3\nother,lines,1,0\n", "", []string{"standard input: line 2: it is of the group other, and " +
			"those before are of the group old: give one of them"}},
		{"", "GROUP,TOPIC,PARTITION,CURRENT-OFFSET\ng,lines,0,2\nh,lines,1,0\n", "",
			[]string{"line 3: it is of the group h, and those before are of the group g"}},
		{"", "topic,group.id,partition,offset\nlines,g,0,2\nlines,h,1,0\n", "",
			[]string{"line 3: it is of the group h, and those before are of the group g"}},
		{"", "topic,partition,offset,group\nlines,0,2\n", "", []string{"line 2: it has 3 columns only"}},
		{"", "old,lines,0,3\nlines,1,0\n", "", []string{"line 2: it is of no group, and those before are of the group old"}},
		{"--last-read", "lines,0,3\n", "4", nil},
		{"--missing latest", "lines,1,0\n", "4 0", nil},
		{"--format zookeeper", "/consumers/g/offsets/lines/0:2\n/kafka/consumers/g/offsets/lines/0-1 = 0\n", "2 0", nil},
		{"--format spark FILES/offsets/0", "", "1 0", nil},
		{"--format spark", "v1\n{}\n{\"lines\":{\"0\":2}}\n", "2", nil},
		{"--format spark FILES", "", "3 0", []string{"batch 2 of", "planned and not committed: its records are read again"}},

		{"", "", "", []string{"standard input: it has no offsets"}},
		{"FILES/none.csv", "", "", []string{"none.csv: no such file"}},
		{"", "lines,0\n", "", []string{"line 1: it has 2 columns"}},
		{"", "lines,0,1,2,3\n", "", []string{"line 1: it has 5 columns, where topic,partition,offset are meant"}},
		{"", "topic,partition,offset\nlines,zero,1\n", "", []string{`line 2: "zero" is no partition of "lines"`}},
		{"", "lines,0,-1\n", "", []string{`line 1: "-1" is no offset`}},
		{"", "lines,0,1\nlines,0,2\n", "", []string{"line 2: lines-0 comes twice"}},
		{"", "lines,7,1\n", "", []string{`topic "lines" has no partition 7, only 0 to 1`}},
		{"", "lins,0,1\n", "", []string{`topic "lins" does not exist`, `is "lines" meant?`}},
		{"", "lines,0,5\n", "", []string{"lines-0 ends at offset 4, and the file has 5", "--missing latest"}},
		{"--format spark FILES/empty", "", "", []string{"has no batch that is committed"}},
		{"--format spark FILES/commits", "", "", []string{"is no checkpoint folder of Structured Streaming"}},
		{"--format spark", "lines,0,1\n", "", []string{"is no offset file of Structured Streaming", "not v1"}},
		{"--format zookeeper", "lines 0 1\n", "", []string{"line 1: it is not of the form /consumers/GROUP/offsets/"}},
		{"--format zookeeper", "/consumers/g/offsets/lines/0:2\n/consumers/h/offsets/lines/1:2\n", "",
			[]string{"line 2: it is of the group h, and those before are of the group g"}},
	} {
		args := strings.Fields("offsets import g --new --dry-run --brokers % " + strings.ReplaceAll(s.args, "FILES", files))
		r := weirOn(t, k, s.stdin, args...)
		code := 0
		if s.lines == "" {
			code = 1
		}
		r.wants(t, code, s.err...)
		var got []string
		for line := range strings.Lines(r.out) {
			if f := strings.Fields(line); f[0] == "lines" && f[3] != "-" {
				got = append(got, f[3])
			}
		}
		if strings.Join(got, " ") != s.lines {
			t.Errorf("%s of %q: %v, want %s; %s", s.args, s.stdin, got, s.lines, r.err)
		}
	}
	before := kadm.Offsets{}
	before.AddOffset("lines", 0, 1, -1)
	if _, err := kadm.NewClient(client(t, k)).DeleteRecords(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	weirOn(t, k, "lines,0,0\n", "offsets", "import", "g", "--new", "--brokers", "%").wants(t, 1,
		"lines-0 begins at offset 1, and the file has 0: the records between are gone", "--missing earliest")
	for _, args := range []string{"offsets import", "offsets import g --format xml", "offsets import g --missing middle",
		"offsets import g a b", "offsets show --input x g", "offsets show --checkpoint d g"} {
		weirOn(t, k, "", strings.Fields(args)...).wants(t, 2, "see 'weir offsets")
	}
}
