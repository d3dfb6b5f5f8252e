package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/internal/spelling"
)

// A connection is how a command finds its Kafka: the flags that all such commands share. They end as parameters by the
// names of Kafka's Java clients, so what works for a job works here.
type connection struct {
	brokers string
	config  string
	params  []string
}

// connectionHelp ends the help of commands that talk to Kafka.
const connectionHelp = "\n\nParameters have the names of Kafka's Java clients. A file holds one NAME=VALUE a line; " +
	"--param wins over it,\nand flags over both. A value may be ${env:NAME} or ${file:PATH}: " +
	"that keeps secrets off the command line."

// flags gives a command the flags. otherwise is what is used without an address.
func (k *connection) flags(c *cobra.Command, otherwise string) {
	f := c.Flags()
	f.StringVar(&k.brokers, "brokers", "",
		"Kafka's bootstrap addresses, `HOST:PORT`, several with commas (default "+otherwise+")")
	f.StringVar(&k.config, "command-config", "", "a properties `FILE` of Kafka client parameters, such as TLS and SASL")
	f.StringArrayVar(&k.params, "param", nil, "a Kafka client parameter, `NAME=VALUE`; may be repeated")
	c.Long += connectionHelp
}

// localBroker is where `weir broker` listens.
const localBroker = "localhost:9092"

const (
	bootstrap    = "bootstrap.servers"
	oldBootstrap = "metadata.broker.list"
	groupID      = "group.id"
)

// classes are parameters that name Java classes for keys and values. The command line shows and takes bytes, so they
// are put aside, that a job's file may be used as it is.
var classes = []string{"key.deserializer", "value.deserializer", "key.serializer", "value.serializer",
	"serializer.class", "key.serializer.class"}

// parameters gives what the flags say. Without an address it is that of the local broker.
func (k *connection) parameters() (kafka.Params, error) {
	p, err := k.given()
	if err == nil && !addressed(p) {
		p[bootstrap] = localBroker
	}
	return p, err
}

// addressed tells whether parameters name brokers, by today's name or that of 0.8.
func addressed(p kafka.Params) bool { return cmp.Or(p[bootstrap], p[oldBootstrap]) != "" }

// given gives the parameters of file and flags. What they mean is checked where they are used.
func (k *connection) given() (kafka.Params, error) {
	p := kafka.Params{}
	if k.config != "" {
		file, err := conf.LoadFile(k.config)
		if err != nil {
			return nil, usagef("--command-config: %w", err)
		}
		for name, value := range file.All() {
			p[name] = value
		}
	}
	for _, pair := range k.params {
		name, value, ok := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			// The text is not shown: it may be a secret whose name was forgotten.
			return nil, usagef("--param takes NAME=VALUE, such as --param client.id=me")
		}
		p[name] = value
	}
	if k.brokers != "" {
		delete(p, oldBootstrap) // from the file
		p[bootstrap] = k.brokers
	}
	for _, name := range classes {
		delete(p, name)
	}
	return p, nil
}

// admin connects. The command's standard error gets the warnings.
func (k *connection) admin(c *cobra.Command) (*kafka.Admin, error) {
	p, err := k.parameters()
	if err != nil {
		return nil, err
	}
	return openAdmin(c, p)
}

func openAdmin(c *cobra.Command, p kafka.Params) (*kafka.Admin, error) {
	return kafka.OpenAdmin(c.Context(), p, kafka.WithLogger(warnings(c.ErrOrStderr())))
}

// warnings is a logger whose warnings become lines like warn's; of what is no warning nothing is shown.
func warnings(out io.Writer) *slog.Logger {
	return slog.New(warner{slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}), out})
}

type warner struct {
	slog.Handler
	out io.Writer
}

// Handle implements slog.Handler. Of the attributes the error says all that the others say.
func (w warner) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			text += ": " + a.Value.String()
		}
		return true
	})
	warn(w.out, errors.New(text))
	return nil
}

// warn says what is wrong and keeps nothing from going on, a line for each error that is joined in err.
func warn(out io.Writer, err error) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(out, "weir: warning:", line)
	}
}

// withAdmin makes a command's function of one that needs an Admin.
func (k *connection) withAdmin(f func(ctx context.Context, c *cobra.Command, a *kafka.Admin, args []string) error) (
	runE func(*cobra.Command, []string) error) {
	return func(c *cobra.Command, args []string) error {
		a, err := k.admin(c)
		if err != nil {
			return err
		}
		defer a.Close()
		return f(c.Context(), c, a, args)
	}
}

// missing adds to the error of a topic that does not exist the topic that was perhaps meant.
func missing(ctx context.Context, a *kafka.Admin, err error) error {
	topic, ok := errors.AsType[*kafka.MissingTopicError](err)
	if !ok || topic.Nearest != "" {
		return err
	}
	infos, listErr := a.Topics(ctx)
	if listErr != nil {
		return err
	}
	var names []string
	for _, t := range infos {
		names = append(names, t.Name)
	}
	topic.Nearest = spelling.Nearest(topic.Topic, names)
	return err
}
