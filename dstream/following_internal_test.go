package dstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A slowBank is a bank whose transactions take a while.
type slowBank struct {
	*bank
	begun   time.Time
	takes   time.Duration
	refuses string // what no transaction may hold
	most    int    // records that a transaction may hold, 0 for any number
	deaf    bool   // it does not look at its context, from the first shared transaction on
	events  []string
}

func (s *slowBank) at() int64 { return time.Since(s.begun).Milliseconds() }

func (s *slowBank) WriteAll(ctx context.Context, effects []Staged) error {
	var all []string
	for _, e := range effects {
		for raw := range e.Records {
			all = append(all, string(raw))
		}
	}
	if s.deaf && len(all) > 1 {
		<-time.After(time.Minute)
		for _, e := range effects {
			for raw, err := range e.Records {
				s.say("deaf: %s %v", raw, err)
			}
		}
	}
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		s.say("%d: cut %s", s.at(), strings.Join(all, " "))
		return context.Cause(ctx)
	}
	if s.most > 0 && len(all) > s.most {
		s.say("%d: refused %s", s.at(), strings.Join(all, " "))
		return errors.New("too large")
	}
	if s.refuses != "" && slices.Contains(all, s.refuses) {
		s.say("%d: refused %s", s.at(), strings.Join(all, " "))
		if s.refuses == "p" {
			panic("p")
		}
		return errors.New("too large")
	}
	s.say("%d: wrote %s", s.at(), strings.Join(all, " "))
	return nil
}

// hear writes down what listeners are told of batches that hold something.
func (s *slowBank) hear(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := e.(type) {
	case BatchCompleted:
		if e.Err != nil {
			s.events = append(s.events, fmt.Sprintf("%d: batch %d failed", s.at(), e.Sequence))
		} else if e.Records() > 0 {
			s.events = append(s.events, fmt.Sprintf("%d: completed %d", s.at(), e.Sequence))
		}
	case Warning:
		if e.Message != "functions were given up" { // Which may come before or after the batches.
			s.events = append(s.events, fmt.Sprintf("%d: %s", s.at(), e.Message))
		}
	}
}

// slowly runs a program that computes batches of one record each, one each 100 ms, and writes them to s.
func slowly(t *testing.T, s *slowBank, records string, settings ...string) *sinkJob {
	t.Helper()
	var queue [][]string
	for _, r := range records {
		queue = append(queue, []string{string(r)})
	}
	s.bank, s.begun = &bank{last: -1}, time.Now()
	j := newSinkJob(t, s.bank, append([]string{"weir.streaming.interval", "100ms",
		"weir.streaming.missedBatches", "each"}, settings...))
	computed := Map(QueueStream(j.ssc, NewQueue(queue...)), func(v string) string {
		s.say("%d: computed %s", s.at(), v)
		return v
	})
	WriteTo(computed, Sink[string](s)).Named("slow")
	j.ssc.AddListener(s.hear)
	j.know(logState(-1), owned)
	if err := j.ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return j
}

// lines are what s was seen to do and listeners to hear, without what is the same in each program.
func (s *slowBank) lines() (did, heard string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(s.calls), func(c string) bool {
		return !strings.Contains(c, "0: ") && !strings.Contains(c, "deaf")
	})
	return strings.Join(list, ", "), strings.Join(s.events, ", ")
}

// TestBatchesShareATransaction: while a transaction is on its way the next batches are computed, and those that wait
// for it share the next one. They are completed one after the other; where a transaction fails nothing that follows is
// written.
func TestBatchesShareATransaction(t *testing.T) {
	at := func(n string) []string { return []string{"weir.streaming.maxUncommittedBatches", n} }
	retries := []string{"weir.streaming.failedBatch", "retry", "weir.streaming.failedBatch.maxRetries", "2",
		"weir.streaming.failedBatch.backoff", "100ms"}
	for _, tt := range []struct {
		name, records string
		takes         int
		refuses       string
		most          int
		settings      []string
		fails         string
		did, heard    string
	}{
		{name: "short enough", records: "abc", takes: 50,
			did:   "100: computed a, 150: wrote a, 200: computed b, 250: wrote b, 300: computed c, 350: wrote c",
			heard: "150: completed 0, 250: completed 1, 350: completed 2"},
		{name: "longer than the interval", records: "abcdefg", takes: 260,
			did: "100: computed a, 200: computed b, 300: computed c, 360: wrote a, 400: computed d, 500: computed e, " +
				"600: computed f, 620: wrote b c, 700: computed g, 880: wrote d e f, 1140: wrote g",
			heard: "360: completed 0, 620: completed 1, 620: completed 2, 880: completed 3, 880: completed 4, " +
				"880: completed 5, 1140: completed 6"},
		{name: "no more than two", records: "abcd", takes: 260, settings: at("2"),
			did: "100: computed a, 200: computed b, 360: wrote a, 360: computed c, 620: wrote b, 620: computed d, " +
				"880: wrote c, 1140: wrote d",
			heard: "360: completed 0, 620: completed 1, 880: completed 2, 1140: completed 3"},
		{name: "one at a time", records: "abc", takes: 260, settings: at("1"),
			did:   "100: computed a, 360: wrote a, 360: computed b, 620: wrote b, 620: computed c, 880: wrote c",
			heard: "360: completed 0, 620: completed 1, 880: completed 2"},
		{name: "a shared one fails", records: "abcde", takes: 260, refuses: "c", fails: "batch 2 (",
			did: "100: computed a, 200: computed b, 300: computed c, 360: wrote a, 400: computed d, 500: computed e, " +
				"620: refused b c, 880: wrote b, 1140: refused c",
			heard: "360: completed 0, 620: a transaction that batches shared failed; each is written in its own, " +
				"880: completed 1, 1140: batch 2 failed, 1140: batch 3 failed, 1140: batch 4 failed, " +
				"1140: batch 5 failed, 1140: batch 6 failed, 1140: batch 7 failed, 1140: batch 8 failed, " +
				"1140: batch 9 failed"},
		{name: "too large", records: "abcdefghijklmnop", takes: 260, most: 2,
			did: "100: computed a, 200: computed b, 300: computed c, 360: wrote a, 400: computed d, 500: computed e, " +
				"600: computed f, 620: wrote b c, 700: computed g, 800: computed h, 880: refused d e f, 900: computed i, " +
				"1000: computed j, 1100: computed k, 1140: wrote d, 1200: computed l, 1400: wrote e, 1400: computed m, " +
				"1660: wrote f, 1660: computed n, 1920: wrote g, 1920: computed o, 2180: wrote h i, 2180: computed p, " +
				"2440: wrote j k, 2700: wrote l m, 2960: wrote n o, 3220: wrote p",
			heard: "360: completed 0, 620: completed 1, 620: completed 2, " +
				"880: a transaction that batches shared failed; each is written in its own, 1140: completed 3, " +
				"1400: completed 4, 1660: completed 5, 1920: completed 6, 2180: completed 7, 2180: completed 8, " +
				"2440: completed 9, 2440: completed 10, 2700: completed 11, 2700: completed 12, " +
				"2960: completed 13, 2960: completed 14, 3220: completed 15"},
		{name: "it panics", records: "apc", takes: 50, refuses: "p", fails: "batch 1 (",
			did:   "100: computed a, 150: wrote a, 200: computed p, 250: refused p",
			heard: "150: completed 0, 250: batch 1 failed"},
		{name: "it is tried again", records: "abcde", takes: 60, refuses: "b", settings: retries, fails: "too large",
			did: "100: computed a, 160: wrote a, 200: computed b, 260: refused b, 300: computed c, 400: computed d, " +
				"420: refused b, 500: computed e, 680: refused b",
			heard: "160: completed 0, 260: a batch could not be written and is written again, " +
				"420: a batch could not be written and is written again, 680: batch 1 failed, 680: batch 2 failed, " +
				"680: batch 3 failed, 680: batch 4 failed, 680: batch 5 failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slowBank{takes: time.Duration(tt.takes) * time.Millisecond, refuses: tt.refuses, most: tt.most}
				j := slowly(t, s, tt.records, tt.settings...)
				time.Sleep(2 * time.Second)
				if err := j.ssc.Stop(t.Context(), Graceful()); err != nil {
					t.Error(err)
				}
				failsWith(t, j.ssc.AwaitTermination(t.Context()), tt.fails)
				if did, heard := s.lines(); did != tt.did || heard != tt.heard {
					t.Errorf("it did\n%s\nand said\n%s\nwant\n%s\nand\n%s", did, heard, tt.did, tt.heard)
				}
			})
		})
	}
}

// TestStopWhileWriting: a graceful stop waits for transactions, and one at once cuts them; a sink that does not listen
// is left to itself at the deadline.
func TestStopWhileWriting(t *testing.T) {
	for _, tt := range []struct {
		name       string
		deaf       bool
		stop       []StopOption
		fails      string
		did, heard string
	}{
		{name: "gracefully", stop: []StopOption{Graceful()},
			did:   "100: computed a, 200: computed b, 300: computed c, 400: computed d, 1100: wrote a, 2100: wrote b c d",
			heard: "1100: completed 0, 2100: completed 1, 2100: completed 2, 2100: completed 3"},
		{name: "at once",
			did:   "100: computed a, 200: computed b, 300: computed c, 400: computed d, 450: cut a",
			heard: "450: batch 0 failed, 450: batch 1 failed, 450: batch 2 failed, 450: batch 3 failed"},
		{name: "deaf", deaf: true, stop: []StopOption{Graceful()}, fails: "abandoned at the deadline",
			did: "100: computed a, 200: computed b, 260: wrote a, 300: computed c, 400: computed d, 420: wrote b, " +
				"deaf: c <nil>, deaf: d <nil>, 60420: cut c d",
			heard: "260: completed 0, 420: completed 1, 22450: batch 2 failed, 22450: batch 3 failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slowBank{takes: time.Second, deaf: tt.deaf}
				if tt.deaf {
					s.takes = 160 * time.Millisecond
				}
				j := slowly(t, s, "abcd")
				time.Sleep(450 * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				failsWith(t, j.ssc.Stop(ctx, tt.stop...), tt.fails)
				time.Sleep(5 * time.Minute) // What was left to itself ends.
				if did, heard := s.lines(); did != tt.did || heard != tt.heard {
					t.Errorf("it did\n%s\nand said\n%s\nwant\n%s\nand\n%s", did, heard, tt.did, tt.heard)
				}
			})
		})
	}
}
