package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// startLimit bounds Open, and every call that comes without a deadline and without
// default.api.timeout.ms. People wait for a start; a minute of silence looks like a hang.
const startLimit = 15 * time.Second

// reachMost is how many advertised addresses Open tries. One that answers is enough to go on: a broker
// that is down must not stop a job that can do without it.
const reachMost = 16

// Open makes a client and makes sure that it works: it reads the files cfg refers to, finds a bootstrap
// address that answers and how old the broker is, signs in, asks for the cluster's brokers, and
// connects to at least one of them at its advertised address. It takes at most 15 s, less if ctx ends
// before. The error is an *Error or joined *ParamErrors; nothing is left open then.
//
// extra are options of franz-go; they win over cfg. See Options about a dialer among them.
func Open(ctx context.Context, cfg *Config, extra ...kgo.Opt) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	resolved, err := cfg.Resolve()
	if err != nil {
		return nil, err
	}
	hook := newTracker()
	opts, warnings, err := resolved.options(append(slices.Clone(extra), kgo.WithHooks(hook)))
	if err != nil {
		return nil, err
	}
	kc, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka: make the client: %w", err)
	}
	c := &Client{
		kc: kc, cfg: resolved, warnings: slices.Concat(resolved.Warnings, warnings), hook: hook,
		coordinators: map[string]int32{}, ids: map[string][16]byte{},
	}
	if err := c.start(ctx, opts); err != nil {
		c.Close()
		if ctx.Err() != nil && KindOf(err) == Other && !errors.Is(err, context.Canceled) {
			err = c.timedOut("connect", err)
		}
		return nil, err
	}
	return c, nil
}

// start runs the checks. Each may take half of the time that is left, so that the last, too, has some.
func (c *Client) start(ctx context.Context, opts []kgo.Opt) error {
	seeds, _ := c.kc.OptValue(kgo.SeedBrokers).([]string)
	seeds = slices.Clone(seeds)
	dial, _ := c.kc.OptValue(kgo.Dialer).(func(context.Context, string, string) (net.Conn, error))
	if len(seeds) == 0 || dial == nil {
		return errors.New("kafka: the client has lost its bootstrap addresses or its dialer")
	}
	for i, addr := range seeds {
		if _, _, err := net.SplitHostPort(addr); err != nil { // an extra option may leave out the port
			seeds[i] = net.JoinHostPort(addr, "9092")
		}
	}
	p := prober{c.cfg, dial}
	at, err := half(ctx, func(ctx context.Context) (found, error) { return p.first(ctx, seeds) })
	if err != nil {
		return err
	}
	c.version = at.version
	if err := c.adapt(opts); err != nil {
		return err
	}
	// Until the check is over, only the address that answered is used: franz-go would begin with any.
	if len(seeds) > 1 {
		if err := c.kc.UpdateSeedBrokers(at.addr); err != nil {
			return fmt.Errorf("kafka: use the bootstrap address %s: %w", at.addr, err)
		}
	}
	brokers, err := half(ctx, func(ctx context.Context) ([]Broker, error) { return c.signIn(ctx) })
	if err != nil {
		return c.explainSignIn(ctx, p, at, err)
	}
	if err := c.reach(ctx, at.addr, brokers); err != nil {
		return err
	}
	// From here on the others serve as well, should the one that answered go away.
	if len(seeds) > 1 {
		if err := c.kc.UpdateSeedBrokers(seeds...); err != nil {
			return fmt.Errorf("kafka: use the bootstrap addresses: %w", err)
		}
	}
	return nil
}

// half runs a step with half of the time that is left.
func half[T any](ctx context.Context, step func(context.Context) (T, error)) (T, error) {
	part, cancel := partOf(ctx, 0.5)
	defer cancel()
	return step(part)
}

// partOf returns a context with a part of the time that ctx has left.
func partOf(ctx context.Context, part float64) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(float64(time.Until(deadline))*part))
}

// adapt makes the client anew for brokers that do not say what they know: franz-go must be told.
func (c *Client) adapt(opts []kgo.Opt) error {
	pin := c.version.Opts()
	if len(pin) == 0 {
		return nil
	}
	if c.cfg.UsesSASL() {
		return &Error{Kind: TooOld, Text: fmt.Sprintf("a broker of version %s knows no sasl.mechanism=%s",
			c.version, c.cfg.sasl.mechanism), Remedy: "upgrade the brokers, or use a listener without SASL"}
	}
	c.kc.Close()
	kc, err := kgo.NewClient(slices.Concat(opts, pin)...)
	if err != nil {
		return fmt.Errorf("kafka: make the client: %w", err)
	}
	c.kc = kc
	return nil
}

// signIn asks a bootstrap address for the brokers, which makes franz-go connect and sign in there.
func (c *Client) signIn(ctx context.Context) ([]Broker, error) {
	// Through Client.Request, franz-go would try again what is wrong for good.
	seeds := c.kc.SeedBrokers()
	if len(seeds) == 0 {
		return nil, errors.New("kafka: no bootstrap address is left")
	}
	resp, err := seeds[0].Request(ctx, brokersOnly())
	if err != nil {
		return nil, err
	}
	meta := resp.(*kmsg.MetadataResponse)
	if err := kerr.ErrorForCode(meta.ErrorCode); err != nil {
		return nil, err
	}
	brokers := make([]Broker, 0, len(meta.Brokers))
	for _, b := range meta.Brokers {
		brokers = append(brokers, brokerOf(b))
	}
	return brokers, nil
}

// brokersOnly asks for no topics. Brokers before 0.10 name all topics then, which does no harm.
func brokersOnly() *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	return req
}

// explainSignIn finds out why a broker that answered before does not any more once it is to be signed
// in to.
func (c *Client) explainSignIn(ctx context.Context, p prober, at found, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return err
	}
	closed := isClosed(err)
	switch {
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		e, _ := explainAt(err, c.cfg, at.addr).(*Error)
		if names, ok := p.offered(ctx, at); ok && e != nil {
			e.Text += "; it offers " + strings.Join(names, ", ")
			e.Remedy = "set sasl.mechanism to one of them that weir knows (" + strings.Join(mechanisms, ", ") +
				"), or enable it on the broker's listener"
		}
		return e
	case closed && !c.cfg.UsesSASL():
		if names, ok := p.offered(ctx, at); ok {
			return &Error{Kind: SASLExpected, Place: at.addr, Err: err,
				Text: "the broker wants clients to sign in on this port (with " + strings.Join(names, ", ") +
					"), but security.protocol is " + c.cfg.tls.protocol,
				Remedy: "set security.protocol to SASL_" + c.cfg.tls.protocol +
					", sasl.mechanism and sasl.jaas.config"}
		}
	case closed && !isError[*dialError](err):
		return &Error{Kind: AuthenticationFailed, Place: at.addr, Err: err,
			Text:   "the broker closed the connection while " + c.cfg.user() + " signed in",
			Remedy: closedRemedy(at.version)}
	}
	return explainAt(err, c.cfg, at.addr)
}

// closedRemedy is for a broker that ends the connection when it is signed in to.
func closedRemedy(v Version) string {
	if !v.Supports(kmsg.SASLAuthenticate, 0) { // since 1.0, by which they answer why
		return "check username and password in sasl.jaas.config: brokers up to 0.11 say no more than this about " +
			"a wrong password"
	}
	return fmt.Sprintf("look into the broker's log, and check what stands between (a proxy, a limit of connections): "+
		"a broker of its version (%s) says by itself that a password is wrong; some hosted ones do not, so check "+
		"username and password in sasl.jaas.config, too", v)
}

// reach connects to the brokers at the addresses they advertise and returns as soon as one answers.
func (c *Client) reach(ctx context.Context, seed string, brokers []Broker) error {
	if len(brokers) == 0 {
		return nil // 0.8.2 before its first topic names none; nothing could be read from it either
	}
	ctx, cancel := context.WithCancel(ctx)
	tried := brokers[:min(len(brokers), reachMost)]
	errs := make(chan error, len(tried))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, b := range tried {
		wg.Go(func() {
			_, err := c.kc.Broker(int(b.ID)).Request(ctx, brokersOnly())
			if err != nil {
				err = fmt.Errorf("node %d at %s: %w", b.ID, b.Addr(), err)
			}
			errs <- err
		})
	}
	var failed []error
	for range tried {
		err := <-errs
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return c.explainReach(seed, tried, failed)
}

func (c *Client) explainReach(seed string, tried []Broker, failed []error) error {
	// A certificate or a password that does not fit says more than an address that is not there.
	for _, err := range failed {
		e, ok := errors.AsType[*Error](explainAt(err, c.cfg, ""))
		if ok && telling(e.Kind) > telling(TimedOut) {
			return e
		}
	}
	for _, err := range failed {
		if errors.Is(err, context.Canceled) {
			return err
		}
	}
	var parts []string
	for _, err := range failed {
		text := err.Error()
		if d, ok := errors.AsType[*dialError](err); ok {
			head, _, _ := strings.Cut(text, ": ")
			text = head + ": " + d.err.Error()
		}
		parts = append(parts, text)
	}
	slices.Sort(parts)
	return &Error{
		Kind: AdvertisedUnreachable, Place: tried[0].Addr(), Err: errors.Join(failed...), listed: true,
		Text: fmt.Sprintf("the bootstrap address %s answers, but the cluster says that its brokers are elsewhere, "+
			"and none of them can be reached: %s", seed, strings.Join(parts, "; ")),
		Remedy: "let the brokers advertise addresses that this machine can reach (advertised.listeners), or use the " +
			"port of the listener that is meant for this network",
	}
}

// Broker is a broker as the cluster names it.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string // empty if not known
}

// Addr is host:port, the broker's advertised address.
func (b Broker) Addr() string { return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))) }

func brokerOf(b kmsg.MetadataResponseBroker) Broker {
	out := Broker{ID: b.NodeID, Host: b.Host, Port: b.Port}
	if b.Rack != nil {
		out.Rack = *b.Rack
	}
	return out
}
