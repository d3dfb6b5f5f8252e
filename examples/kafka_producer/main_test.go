package main

import (
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

func TestProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "test"))
		if err := run(t.Context(), c.Bootstrap(), c.Dialer()); err != nil {
			t.Fatal(err)
		}
		records := c.Records("test")
		if len(records) != 51 {
			t.Fatalf("%d records, want 51", len(records))
		}
		for i, r := range records {
			want := fmt.Sprintf("^hello %d$", i+1)
			if i == 50 {
				want = `^the end \w{3} \w{3} +\d+ \d\d:\d\d:\d\d \w+ \d{4}$`
			}
			if string(r.Key) != "key" || !regexp.MustCompile(want).Match(r.Value) {
				t.Errorf("record %d is %q: %q, want a value like %s", i, r.Key, r.Value, want)
			}
		}
	})
}
