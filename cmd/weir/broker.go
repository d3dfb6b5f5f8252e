package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"
)

// An embedded is the Kafka broker that weir carries: franz-go's kfake, made for tests and trials.
type embedded struct {
	port, partitions int
	dir              string
	create           bool
}

func broker() *cobra.Command {
	b := &embedded{}
	c := &cobra.Command{
		Use:   "broker",
		Short: "Run a Kafka broker for trials and tests",
		Long: "Runs a single Kafka broker on this machine's loopback address until Ctrl-C. It speaks the\n" +
			"protocol of current Kafka, and is meant for trying things out, not for keeping data that matter.\n" +
			"With --dir topics, records and groups are kept in a folder and are there again at the next start;\n" +
			"without it they are in memory. One broker at a time uses a folder.",
		Example: "  weir broker\n  weir broker --port 19092 --dir ./kafka",
		Args:    nothing,
		RunE:    func(c *cobra.Command, _ []string) error { return b.run(c) },
	}
	c.Flags().IntVar(&b.port, "port", 9092, "`NUMBER` of the port to listen on; 0 for any free one")
	c.Flags().StringVar(&b.dir, "dir", "", "keep everything in this `FOLDER`")
	c.Flags().IntVar(&b.partitions, "partitions", 4, "`NUMBER` of partitions of topics that are created without one")
	c.Flags().BoolVar(&b.create, "auto-create", true,
		"create topics that clients ask for and want to be created, as Kafka's default is")
	return c
}

func (b *embedded) run(c *cobra.Command) error {
	if b.port < 0 || b.port > 65535 || b.partitions < 1 {
		return usagef("--port must be from 0 to 65535, and --partitions at least 1")
	}
	log := &brokerLog{}
	opts := []kfake.Opt{kfake.Ports(b.port), kfake.DefaultNumPartitions(b.partitions), kfake.WithLogger(log)}
	if b.create {
		opts = append(opts, kfake.AllowAutoTopicCreation())
	}
	where := "in memory"
	if b.dir != "" {
		lock, err := b.claim()
		if err != nil {
			return err
		}
		defer lock.Close()
		opts = append(opts, kfake.DataDir(b.dir))
		where = "in " + b.dir
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return b.explain(err)
	}
	address := cluster.ListenAddrs()[0]
	err = b.occupy(address)
	if err == nil {
		_, err = fmt.Fprintf(c.OutOrStdout(), "a Kafka broker listens on %s; its data are %s; Ctrl-C ends it\n",
			address, where)
	}
	if err == nil {
		<-c.Context().Done()
	}
	cluster.Close()
	return errors.Join(err, log.err(), b.vacate())
}

func (b *embedded) explain(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is in use: end what listens there, or choose another with --port", b.port)
	}
	if errors.Is(err, syscall.EACCES) && b.dir == "" {
		return fmt.Errorf("port %d may not be listened on: choose one from 1024 on with --port", b.port)
	}
	return fmt.Errorf("start the broker: %w", err)
}

// occupant is the file of a folder that names the address of the broker that uses it. A broker that was killed leaves
// it behind.
const occupant = "weir-broker-address"

// errTaken says that another broker uses a folder.
var errTaken = errors.New("the folder is taken")

// claim makes sure that no other broker uses the folder until the file is closed: two of them would destroy each
// other's data.
func (b *embedded) claim() (*os.File, error) {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of --dir: %w", err)
	}
	lock, err := lockFolder(b.dir)
	if err == nil {
		_ = os.Remove(filepath.Join(b.dir, occupant)) // that of one that was killed, or there is none
	}
	if !errors.Is(err, errTaken) {
		return lock, err
	}
	who := "another broker, which is just starting or ending,"
	if address, err := os.ReadFile(filepath.Join(b.dir, occupant)); err == nil {
		who = "the broker that listens on " + strings.TrimSpace(string(address))
	}
	return nil, fmt.Errorf("%s uses %s: end it, use it, or choose another --dir", who, b.dir)
}

func (b *embedded) occupy(address string) error {
	if b.dir == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(b.dir, occupant), []byte(address+"\n"), 0o644)
}

func (b *embedded) vacate() error {
	if b.dir == "" {
		return nil
	}
	return os.Remove(filepath.Join(b.dir, occupant))
}

// A brokerLog keeps the broker's errors. What it could not write at its end shows nowhere else.
type brokerLog struct {
	mu   sync.Mutex
	errs []error
}

// errorsKept bounds what a broker can say in vain.
const errorsKept = 20

// Logf implements kfake.Logger.
func (l *brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level != kfake.LogLevelError {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errs) < errorsKept {
		l.errs = append(l.errs, fmt.Errorf("the broker: "+format, args...))
	}
}

func (l *brokerLog) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}
