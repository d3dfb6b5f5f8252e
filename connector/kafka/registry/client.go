package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// A Client asks a schema registry, or one of several that answer alike. It may be used by many
// goroutines, and needs no closing.
//
// A look-up has a deadline of its own, schema.registry.request.timeout.ms, beside the caller's; within
// it, an answer that may be better a moment later (no connection, HTTP 408, 429 and 5xx) is asked for
// again, max.retries times, each time at every URL in turn. Errors are *Error.
type Client struct {
	settings *settings
	http     *sr.Client
	urls     string // for error texts, without credentials

	schemas  *memo[Ref, Schema]
	versions *memo[Reference, Schema] // with the Name empty: subject and version
}

// An Option changes how a Client is made.
type Option func(*options)

type options struct {
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	tls    *tls.Config
	logger *slog.Logger
}

// Dial makes the Client open its connections with f, which must return when its context ends. TLS is
// put on top by the Client.
func Dial(f func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return func(o *options) { o.dial = f }
}

// TLS makes the Client use c for https instead of what schema.registry.ssl.* say.
func TLS(c *tls.Config) Option {
	return func(o *options) { o.tls = c.Clone() }
}

// Logger takes the Client's few lines: settings that have no effect, and settings that weaken it.
func Logger(l *slog.Logger) Option {
	return func(o *options) { o.logger = l }
}

// New makes a Client from settings under their Java names, of which schema.registry.url is the one
// that must be there. The parameters of a Kafka client may be among them: names that are not of a
// schema registry's client are passed over. A name that looks like one of them and is unknown, or a
// value that cannot be followed, is an error, and all errors are returned together.
//
// Values may hold ${env:NAME}, ${file:PATH} and ${file:PATH:KEY}, as those of kafka.Params, and stores may be of the
// same kinds: PEM, JKS, PKCS12. New reads such files and those of schema.registry.ssl.*; it does no network I/O.
func New(params map[string]string, opts ...Option) (*Client, error) {
	o := &options{logger: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(o)
	}
	s, err := parse(params)
	if err != nil {
		return nil, err
	}
	if o.tls == nil {
		if o.tls, err = s.secure(); err != nil {
			return nil, err
		}
	}
	for _, w := range s.warnings {
		o.logger.Warn("schema registry client: "+w, "registry", strings.Join(s.urls, ","))
	}
	if len(s.ignored) > 0 {
		o.logger.Info("schema registry client: settings without an effect here", "settings", s.ignored)
	}
	c := &Client{
		settings: s,
		urls:     strings.Join(s.urls, ", "),
		schemas:  newMemo[Ref, Schema](s.cacheLimit),
		versions: newMemo[Reference, Schema](s.cacheLimit),
	}
	with := []sr.ClientOpt{sr.URLs(slices.Clone(s.urls)...), sr.HTTPClient(newHTTP(s, o)), sr.UserAgent("weir")}
	if s.user != "" || s.password != "" {
		with = append(with, sr.BasicAuth(s.user, s.password))
	}
	if s.bearer != "" {
		with = append(with, sr.BearerToken(s.bearer))
	}
	if c.http, err = sr.NewClient(with...); err != nil {
		return nil, fmt.Errorf("schema registry %s: %w", c.urls, err)
	}
	return c, nil
}

// String is the registries' addresses, without credentials.
func (c *Client) String() string { return c.urls }

// Schema returns the schema that a record names. It is asked for once and remembered; the next
// caller gets it without a lock.
func (c *Client) Schema(ctx context.Context, ref Ref) (Schema, error) {
	return c.schemas.get(ctx, ref, func(ctx context.Context) (Schema, error) {
		var found sr.SubjectSchema
		err := c.ask(ctx, ref.String(), func(ctx context.Context) (err error) {
			if ref.ID == 0 && ref != (Ref{}) {
				found, err = c.http.SchemaByGUID(ctx, ref.GUID.String())
				return err
			}
			found.ID = ref.ID
			found.Schema, err = c.http.SchemaByID(ctx, ref.ID)
			return err
		})
		return fromAnswer(found), err
	})
}

// version returns the schema of a subject and version, neither of which changes.
func (c *Client) version(ctx context.Context, subject string, version int) (Schema, error) {
	key := Reference{Subject: subject, Version: version}
	return c.versions.get(ctx, key, func(ctx context.Context) (Schema, error) {
		return c.askVersion(ctx, subject, version)
	})
}

// Latest returns the schema that a subject has last. It is not remembered, for it changes.
func (c *Client) Latest(ctx context.Context, subject string) (Schema, error) {
	return c.askVersion(ctx, subject, latest)
}

// latest is sr's number for the last version of a subject.
const latest = -1

func (c *Client) askVersion(ctx context.Context, subject string, version int) (Schema, error) {
	what := fmt.Sprintf("subject %s version %d", subject, version)
	if version == latest {
		what = fmt.Sprintf("subject %s, latest version", subject)
	}
	var found sr.SubjectSchema
	err := c.ask(ctx, what, func(ctx context.Context) (err error) {
		found, err = c.http.SchemaByVersion(ctx, subject, version)
		return err
	})
	return fromAnswer(found), err
}

// dependenciesMax bounds what one schema may draw in: a registry is another's program, and no schema
// in earnest has as many.
const dependenciesMax = 1000

// Dependencies returns the schemas that s refers to and those that they refer to, each once, each
// behind those that it needs itself: the order in which they are to be parsed, s last. Schemas that
// refer to each other in a circle are an error, which registries prevent.
func (c *Client) Dependencies(ctx context.Context, s Schema) ([]Schema, error) {
	const underWay, done = 1, 2
	state := map[Reference]int{}
	var order []Schema
	var visit func(refs []Reference) error
	visit = func(refs []Reference) error {
		for _, ref := range refs {
			key := Reference{Subject: ref.Subject, Version: ref.Version}
			switch {
			case state[key] == done:
				continue
			case state[key] == underWay:
				return fmt.Errorf("schema registry %s: subject %s version %d refers to itself",
					c.urls, ref.Subject, ref.Version)
			case len(state) >= dependenciesMax:
				return fmt.Errorf("schema registry %s: schema id %d draws in more than %d others",
					c.urls, s.ID, dependenciesMax)
			}
			state[key] = underWay
			dep, err := c.version(ctx, ref.Subject, ref.Version)
			if err != nil {
				return fmt.Errorf("%s, which schema id %d refers to: %w", ref.Name, s.ID, err)
			}
			if err := visit(dep.References); err != nil {
				return err
			}
			state[key] = done
			order = append(order, dep)
		}
		return nil
	}
	if err := visit(s.References); err != nil {
		return nil, err
	}
	return order, nil
}

// ask sends a request until it is answered for good, or retries or time are used up.
func (c *Client) ask(ctx context.Context, what string, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.settings.timeout)
	defer cancel()
	wait := c.settings.retryWait
	for attempt := 0; ; attempt++ {
		err := request(ctx)
		if err == nil {
			return nil
		}
		if attempt >= c.settings.retries || !passing(err) || !pause(ctx, wait) {
			return c.explain(what, err)
		}
		wait = min(2*wait, c.settings.retryWaitMax)
	}
}

func fromAnswer(found sr.SubjectSchema) Schema {
	s := Schema{
		ID: found.ID, Subject: found.Subject, Version: found.Version,
		Type: Type(found.Type.String()), Text: found.Schema.Schema,
	}
	for _, r := range found.References {
		s.References = append(s.References, Reference{r.Name, r.Subject, r.Version})
	}
	return s
}
