package socket_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/socket"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestGathered: lines that come together share a sync of the write ahead log, and a rate that lets few of them through
// makes none wait for others.
func TestGathered(t *testing.T) {
	tests := []struct {
		name     string
		settings []string
		records  int64 // of 1,000 that are sent at once
		syncs    int64 // at most, the checkpoint's own left out
	}{
		{"as they come", nil, 1000, 4},
		{"at a rate", []string{"spark.streaming.receiver.maxRate", "100"}, 400, 30},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var syncs, records atomic.Int64
				disk := vfs.NewDisk("disk").Mount(func(s vfs.Step) vfs.Fault {
					if s.Op == "sync" && !strings.Contains(s.Name, ".slot") {
						syncs.Add(1)
					}
					return vfs.None
				})
				c := conf.New().Set("spark.master", "local[2]").
					Set("spark.streaming.receiver.writeAheadLog.enable", "true")
				for i := 0; i < len(tt.settings); i += 2 {
					c.Set(tt.settings[i], tt.settings[i+1])
				}
				ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(disk))
				if err != nil {
					t.Fatal(err)
				}
				ssc.Checkpoint("disk:/ck")
				ours, theirs := net.Pipe()
				defer theirs.Close()
				go func() { _, _ = theirs.Write([]byte(strings.Repeat("a line\n", 1000))) }()
				dial := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
				dstream.ForeachRDD(socket.TextStream(ssc, "example", 9999, socket.WithDialer(dial)),
					func(_ context.Context, _ *rdd.RDD[string], b *dstream.Batch) error {
						records.Add(b.Records())
						return nil
					})
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(4500 * time.Millisecond)
				got, synced := records.Load(), syncs.Load()
				if err := ssc.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got < tt.records*9/10 || got > tt.records*11/10 || synced > tt.syncs {
					t.Errorf("%d records and %d syncs, want %d and at most %d", got, synced, tt.records, tt.syncs)
				}
			})
		})
	}
}

// TestGatheredBeforeAPanic: what a decoder gave before it failed is stored.
func TestGatheredBeforeAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.SetOutput(&out)
		ours, theirs := net.Pipe()
		defer theirs.Close()
		dial := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		decode := func(io.Reader) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				if yield("first", nil) && yield("second", nil) {
					panic("no third")
				}
			}
		}
		dstream.Print(socket.Stream(ssc, "example", 9999, decode, socket.WithDialer(dial)), 10)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, "first\nsecond\n") {
			t.Errorf("printed %s", got)
		}
	})
}
