package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

var (
	demoHeading = regexp.MustCompile(`^batch time +records +delay +rate +top words$`)
	demoBatch   = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} +(\d+) +\d+ ms +\d+/s  (the \d+, \w+ \d+, \w+ \d+, \w+ \d+)?$`)
	demoTotals  = regexp.MustCompile(`^(\d+) batches, (\d+) records, (\d+) words in \d+\.\d s$`)
)

// checkDemo reads what a demonstration wrote, but for the line about its broker, and gives its number of records.
func checkDemo(t *testing.T, lines []string) (total int) {
	t.Helper()
	if len(lines) < 3 || !demoHeading.MatchString(lines[0]) {
		t.Fatalf("it wrote\n%s", strings.Join(lines, "\n"))
	}
	batches := lines[1 : len(lines)-1]
	for _, line := range batches {
		m := demoBatch.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("a batch's line is %q", line)
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err != nil || (n > 0) != (m[2] != "") {
			t.Errorf("a batch's line is %q", line)
		}
		total += n
	}
	want := fmt.Sprintf("%d batches, %d records, %d words in ", len(batches), total, total*lineWords)
	if last := lines[len(lines)-1]; !demoTotals.MatchString(last) || !strings.HasPrefix(last, want) {
		t.Errorf("the last line is %q, want %q", last, want)
	}
	return total
}

func TestDemo(t *testing.T) {
	r := weirIn(t.Context(), nil, "demo", "--for", "2s", "--interval", "200ms", "--rate", "1000")
	if r.code != 0 || r.err != "" {
		t.Fatalf("code %d, error %q", r.code, r.err)
	}
	first, rest, _ := strings.Cut(strings.TrimSuffix(r.out, "\n"), "\n")
	if !regexp.MustCompile(`^a Kafka broker in memory listens on 127\.0\.0\.1:\d+$`).MatchString(first) {
		t.Errorf("the first line is %q", first)
	}
	if n := checkDemo(t, strings.Split(rest, "\n")); n == 0 {
		t.Errorf("no records were counted:\n%s", r.out)
	}
}

// Ctrl-C drains the job, shows the totals and deletes the topic.
func TestDemoInterrupted(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "kept"))
	d := begin(t, nil, "demo", "--for", "1h", "--interval", "50ms", "--brokers", k.ListenAddrs()[0])
	lines := []string{d.line(t), d.line(t), d.line(t)}
	d.cancel()
	for line := range d.lines {
		lines = append(lines, line)
	}
	if got := d.end(t); got.code != 0 || got.err != "" {
		t.Errorf("it ended with %+v", got)
	}
	checkDemo(t, lines)
	if got := must(t, k, "", "topics", "list", "--brokers", "%"); strings.Contains(got, "weir_demo") ||
		!strings.Contains(got, "kept") {
		t.Errorf("the topics afterwards are\n%s", got)
	}
}

// Brokers before 2.4 have no default for the replication factor.
func TestDemoOldBroker(t *testing.T) {
	k := cluster(t, kfake.MaxVersions(kversion.V1_0_0()))
	r := weirOn(t, k, "", "demo", "--for", "1s", "--interval", "100ms", "--brokers", "%")
	if r.code != 0 || r.err != "" {
		t.Fatalf("code %d, error %q", r.code, r.err)
	}
	checkDemo(t, strings.Split(strings.TrimSuffix(r.out, "\n"), "\n"))
}

// A topic of the user's is written to and kept, and what it held is not counted.
func TestDemoTopic(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "mine"))
	must(t, k, "", "produce", "mine", "unheard of words", "--brokers", "%")
	out := must(t, k, "", "demo", "--for", "1s", "--interval", "100ms", "--topic", "mine", "--brokers", "%")
	if n := checkDemo(t, strings.Split(strings.TrimSuffix(out, "\n"), "\n")); n == 0 {
		t.Errorf("no records were counted:\n%s", out)
	}
	if got := must(t, k, "", "topics", "list", "--brokers", "%"); got != ""+
		"TOPIC  PARTITIONS  REPLICATION\n"+
		"mine   1           1\n" {
		t.Errorf("the topics afterwards are\n%s", got)
	}
}
