package realkafka_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/realkafka"
)

var (
	killTimes = flag.Int("kills", 0, "how often TestChaos kills the program; 0 skips it")
	chaosSeed = flag.Uint64("seed", 1, "seed of TestChaos")
	stalls    = flag.Int("stalls", 0, "how often TestChaos stops the program for 30 seconds, with a standby beside it")
)

const (
	chaosIn, chaosOut = "numbers", "sums"
	chaosPartitions   = 3
	chaosKeys         = 50
)

// TestChaos kills the program kafka_exactly_once (-9) at random moments while numbers are written to its input, a
// broker at every tenth time, too, and stops it (SIGSTOP) while a standby takes over; then it compares what a reader of
// committed records sees with what the numbers come to. internal/cmd/chaos runs it.
func TestChaos(t *testing.T) {
	if *killTimes == 0 && *stalls == 0 {
		t.Skip("it takes minutes: go run ./internal/cmd/chaos")
	}
	c := realkafka.Start(t, "4.4.0", realkafka.Nodes(3))
	safe := map[string]string{"min.insync.replicas": "2"}
	c.Topic(chaosIn, chaosPartitions, 3, safe)
	c.Topic(chaosOut, chaosPartitions, 3, safe)
	m := newMonkey(t, c)
	stop, fed := make(chan struct{}), make(chan error, 1)
	var written atomic.Int64
	go func() { fed <- feed(t.Context(), c, stop, &written) }()
	m.killAll(*killTimes)
	m.stallAll(*stalls)
	close(stop)
	if err := <-fed; err != nil {
		t.Fatal(err)
	}
	m.finish(int(written.Load()))
	if m.working*2 < m.killed {
		t.Errorf("%d of %d kills met a program that had committed a batch, want half of them",
			m.working, m.killed)
	}
	t.Logf("%d kills of the program, %d of them when it had committed a batch, %d of brokers, %d stalls, %d records: "+
		"compared", m.killed, m.working, m.brokers, m.stalled, written.Load())
}

// A monkey runs the program and ends it.
type monkey struct {
	t       *testing.T
	c       *realkafka.Cluster
	bin     string
	ckpt    string
	log     *os.File
	random  *rand.Rand
	killed  int
	working int // how many of those had committed a batch
	brokers int
	stalled int
}

func newMonkey(t *testing.T, c *realkafka.Cluster) *monkey {
	dir := t.TempDir()
	m := &monkey{t: t, c: c, bin: filepath.Join(dir, "program"), ckpt: filepath.Join(dir, "ckpt"),
		random: rand.New(rand.NewPCG(*chaosSeed, 0))}
	build := exec.Command("go", "build", "-o", m.bin, "./examples/kafka_exactly_once")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	var err error
	if m.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			_, _ = m.log.Seek(0, io.SeekStart)
			text, _ := io.ReadAll(m.log)
			var lines []string
			for line := range strings.Lines(string(text)) {
				if !strings.Contains(line, "batch completed") {
					lines = append(lines, line)
				}
			}
			t.Logf("the end of the program's log, without batches:\n%s", strings.Join(lines[max(len(lines)-60, 0):], ""))
		}
	})
	return m
}

// run starts the program.
func (m *monkey) run(flags ...string) *exec.Cmd {
	m.t.Helper()
	cmd := exec.Command(m.bin, append([]string{"--brokers", m.c.Bootstrap(realkafka.PlaintextListener), "--in", chaosIn,
		"--out", chaosOut, "--checkpoint", m.ckpt, "--interval", "100ms", "--master", "local[2]"}, flags...)...)
	cmd.Stdout, cmd.Stderr = m.log, m.log
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return cmd
}

// killAll kills the program n times, and at every tenth of them a broker, which comes back five kills later.
func (m *monkey) killAll(n int) {
	down := -1
	for m.killed < n {
		switch {
		case m.killed%10 == 5:
			down = 1 + m.random.IntN(3)
			m.c.Kill(down)
			m.brokers++
		case m.killed%10 == 0 && down >= 0:
			m.c.Up(down)
			down = -1
		}
		m.kill()
	}
	if down >= 0 {
		m.c.Up(down)
	}
}

// kill runs the program and kills it: every other time when it has committed a batch and worked for a while, lest a
// slow machine have all of them meet one that is about to begin.
func (m *monkey) kill() {
	cmd := m.run()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	wait := func(d time.Duration) {
		select {
		case err := <-ended:
			m.t.Fatalf("the program ended by itself before kill %d: %v", m.killed+1, err)
		case <-time.After(d):
		}
	}
	for begin := time.Now(); m.killed%2 == 0 && !m.committed(cmd); wait(20 * time.Millisecond) {
		if time.Since(begin) > 2*time.Minute {
			_ = cmd.Process.Kill()
			m.t.Fatalf("the program that kill %d is for commits nothing", m.killed+1)
		}
	}
	wait(time.Duration(50+m.random.IntN(2500)) * time.Millisecond)
	_ = cmd.Process.Kill()
	<-ended
	m.killed++
	if m.committed(cmd) {
		m.working++
	}
}

// committed tells whether the log has a commit of the epoch that the process began.
func (m *monkey) committed(cmd *exec.Cmd) bool {
	mark := fmt.Appendf(nil, `"pid":%d,`, cmd.Process.Pid)
	var epoch []byte
	for _, slot := range m.slots() {
		if bytes.Contains(slot, mark) {
			epoch = epochOfSlot.Find(slot)
		}
		if epoch != nil && bytes.Equal(epoch, epochOfSlot.Find(slot)) && bytes.Contains(slot, []byte(`{"commit":`)) {
			return true
		}
	}
	return false
}

// epochOfSlot finds the epoch in the head of a slot.
var epochOfSlot = regexp.MustCompile(`"epoch":\d+`)

// slots gives what the slots of the log hold, in their order.
func (m *monkey) slots() (slots [][]byte) {
	names, _ := filepath.Glob(filepath.Join(m.ckpt, "log", "*.slot"))
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil { // The log removes those that it does not need.
			slots = append(slots, data)
		}
	}
	return slots
}

// stallAll stops the owner n times for 30 seconds: its standby takes over, and the one that wakes up must do nothing
// more, and end with exit code 3.
func (m *monkey) stallAll(n int) {
	if n == 0 {
		return
	}
	standby := []string{"--conf", "weir.checkpoint.standby=true"}
	owner := m.run(standby...)
	m.owns(owner)
	for ; m.stalled < n; m.stalled++ {
		next := m.run(standby...)
		pause(m.t, time.Duration(3000+m.random.IntN(2000))*time.Millisecond)
		if err := owner.Process.Signal(syscall.SIGSTOP); err != nil {
			m.t.Fatal(err)
		}
		pause(m.t, 30*time.Second)
		if err := owner.Process.Signal(syscall.SIGCONT); err != nil {
			m.t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := waitFor(owner, time.Minute); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			m.t.Errorf("the owner that was stopped ended with %v, want exit code 3", err)
		}
		owner = next
	}
	_ = owner.Process.Kill()
	_ = owner.Wait()
}

// owns waits until the program has the checkpoint: a takeover of its process is in the log.
func (m *monkey) owns(cmd *exec.Cmd) {
	m.t.Helper()
	mark := fmt.Appendf(nil, `"pid":%d,`, cmd.Process.Pid)
	for since := time.Now(); time.Since(since) < time.Minute; pause(m.t, 100*time.Millisecond) {
		if slices.ContainsFunc(m.slots(), func(slot []byte) bool { return bytes.Contains(slot, mark) }) {
			return
		}
	}
	m.t.Fatal("the program does not get its checkpoint")
}

// pause lets time pass for other processes.
func pause(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func waitFor(cmd *exec.Cmd, bound time.Duration) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(bound):
		_ = cmd.Process.Kill()
		return errors.Join(errors.New("it did not end in time"), <-ended)
	}
}

// finish lets the program answer what is left, drains it, and compares.
func (m *monkey) finish(n int) {
	cmd := m.run()
	got, err := m.answers(n)
	if err != nil {
		m.t.Error(err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := waitFor(cmd, time.Minute); err != nil {
		m.t.Errorf("the program did not drain: %v", err)
	}
	want, total := m.oracle(n)
	if total != n {
		m.t.Fatalf("the input holds %d records, and %d were written", total, n)
	}
	for key, answers := range want {
		for i := range max(len(answers), len(got[key])) {
			if i >= len(got[key]) || i >= len(answers) || got[key][i] != answers[i] {
				m.t.Errorf("key %s: %d answers, want %d; from answer %d on they are %q, want %q", key, len(got[key]),
					len(answers), i, tail(got[key], i), tail(answers, i))
				break
			}
		}
	}
}

func tail(s []string, i int) []string { return s[min(i, len(s)):min(i+5, len(s))] }

// oracle is what the numbers of the input come to.
func (m *monkey) oracle(n int) (want map[string][]string, total int) {
	want = map[string][]string{}
	counts, sums := map[string]int64{}, map[string]int64{}
	err := m.read(chaosIn, n, 0, func(key, value string) {
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			m.t.Fatal(err)
		}
		counts[key]++
		sums[key] += v
		want[key] = append(want[key], fmt.Sprint(counts[key], " ", sums[key]))
		total++
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return want, total
}

// answers reads the output until it has n records, and a while longer: there must be no more.
func (m *monkey) answers(n int) (map[string][]string, error) {
	got, total := map[string][]string{}, 0
	err := m.read(chaosOut, n, 3*time.Second, func(key, value string) {
		got[key] = append(got[key], value)
		total++
	})
	if err == nil && total != n {
		err = fmt.Errorf("the output holds %d committed records, want %d", total, n)
	}
	return got, err
}

// read gives f the committed records of a topic until there are n of them, and for some time after that.
func (m *monkey) read(topic string, n int, longer time.Duration, f func(key, value string)) error {
	cl := open(m.t, append(m.c.ClientOpts(realkafka.PlaintextListener, ""), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
	ctx, cancel := context.WithTimeout(m.t.Context(), 3*time.Minute)
	defer cancel()
	for seen := 0; seen < n || longer > 0; {
		if seen >= n {
			var end context.CancelFunc
			ctx, end = context.WithTimeout(ctx, longer)
			defer end()
			longer = 0
			n = int(^uint(0) >> 1)
		}
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			if n == int(^uint(0)>>1) {
				return nil
			}
			return fmt.Errorf("%s: %d of %d records within 3 minutes", topic, seen, n)
		}
		fetches.EachRecord(func(r *kgo.Record) { f(string(r.Key), string(r.Value)); seen++ })
	}
	return nil
}

// feed writes numbers until it is told to stop, some hundred a second, and counts those that are acknowledged; a record
// that is not stops it.
func feed(ctx context.Context, c *realkafka.Cluster, stop <-chan struct{}, written *atomic.Int64) error {
	cl, err := kgo.NewClient(c.ClientOpts(realkafka.PlaintextListener, "")...)
	if err != nil {
		return err
	}
	defer cl.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var failed atomic.Pointer[error]
	for i := 0; ; {
		select {
		case <-stop:
			err := cl.Flush(ctx)
			if f := failed.Load(); f != nil {
				err = errors.Join(err, *f)
			}
			return err
		case <-tick.C:
		}
		for range 10 {
			key := "key-" + strconv.Itoa(i*7919%chaosKeys)
			cl.Produce(ctx, &kgo.Record{Topic: chaosIn, Key: []byte(key), Value: []byte(strconv.Itoa(i % 1000))},
				func(_ *kgo.Record, err error) {
					if err != nil {
						failed.Store(&err)
						return
					}
					written.Add(1)
				})
			i++
		}
	}
}
