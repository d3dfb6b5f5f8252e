package kafka_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// Constructors read no file that parameters refer to. What stands in it when the connection is made counts, also what
// was put there since the connection before.
func TestFilesAreReadWhenConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "bob", "hunter2"), kfake.SeedTopics(1, "t"))
		path := filepath.Join(t.TempDir(), "password")
		secret := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		params := c.Params("security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "PLAIN", "sasl.jaas.config",
			`x.PlainLoginModule required username="bob" password="${file:`+path+`}";`, "auto.offset.reset", "earliest",
			"group.id", "${file:"+path+"}")
		sink, err := kafka.Sink("t", params, kafka.StringSerializer, kafka.StringSerializer, c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		sc, err := rdd.NewContext(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Stop(context.Background())
		r, err := kafka.CreateRDD(sc, params, []kafka.OffsetRange{offsets(0, 0, 1)}, kafka.String, kafka.String,
			c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		ssc, err := dstream.NewContext(nil, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		d, err := kafka.DirectStream(ssc, kafka.Subscribe("t"), params, kafka.String, kafka.String, c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan string, 1)
		dstream.Foreach(d, func(r kafka.Record[string, string]) error {
			read <- r.Value
			return nil
		})
		// There is no file, then a wrong password in it.
		says(t, sink.Open(t.Context(), "job", 0), path)
		secret("guess")
		says(t, sink.Open(t.Context(), "job", 0), `user "bob"`)
		_, err = rdd.Count(t.Context(), r)
		says(t, err, `user "bob"`)
		secret("hunter2")
		if err := sink.Open(t.Context(), "job", 0); err != nil {
			t.Fatal(err)
		}
		write := sink.Write(t.Context(), dstream.Effect{}, func(yield func(message) bool) { yield(message{Value: "v0"}) })
		if err := errors.Join(write, sink.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		if n, err := rdd.Count(t.Context(), r); n != 1 || err != nil {
			t.Errorf("%d records, %v", n, err)
		}
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := <-read; got != "v0" {
			t.Errorf("the stream read %q", got)
		}
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Error(err)
		}
	})
}
