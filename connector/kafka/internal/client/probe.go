package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// prober finds out, before franz-go says a word, what is behind an address. Its questions need no
// signing in.
type prober struct {
	cfg  *Config
	dial dialFunc
}

// one asks one question over a new connection.
func (p prober) one(ctx context.Context, addr string, req kmsg.Request, version int16) (kmsg.Response, error) {
	conn, err := p.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// A dialer among the extra options replaces ours. If it forgets TLS, the password would go out in clear.
	if p.cfg.UsesTLS() && !isSecured(conn) {
		return nil, &Error{Kind: Other, Place: addr,
			Text: "security.protocol is " + p.cfg.tls.protocol + ", but the dialer that was given returns " +
				"connections without TLS",
			Remedy: "let it return a *tls.Conn, or give it as the dialer of plain connections"}
	}
	return ask(ctx, conn, p.cfg.ClientID, req, version)
}

// oldPatience is how long an answer may take until older questions are asked beside. Brokers of 0.8 end
// the connection at a question that they do not know; those of 0.9 keep it and never answer.
const oldPatience = 2 * time.Second

// version asks a broker what it is: first what 0.10 and later know, then what 0.9 knows, then 0.8.
func (p prober) version(ctx context.Context, addr string) (Version, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		version Version
		err     error
	}
	current, older := make(chan answer, 1), make(chan answer, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		v, err := p.current(ctx, addr)
		current <- answer{v, err}
	})
	askOlder := func() { wg.Go(func() { v, err := p.older(ctx, addr); older <- answer{v, err} }) }
	patience := time.NewTimer(oldPatience)
	defer patience.Stop()
	var asked bool
	var failed error
	for {
		select {
		case a := <-current:
			// TLS 1.3 lets a broker refuse a certificate only now; that, too, ends the connection.
			d, dialled := errors.AsType[*dialError](a.err)
			if a.err == nil || !isClosed(a.err) || dialled && (d.plain || d.wantsOurs) {
				return a.version, a.err
			}
			failed, current = a.err, nil
			if !asked {
				asked = true
				askOlder()
			}
		case <-patience.C:
			if !asked {
				asked = true
				askOlder()
			}
		case a := <-older:
			// A broker that answers this, asked later, would have answered the other if it knew it.
			if a.err == nil {
				return a.version, nil
			}
			older = nil
		}
		if current == nil && older == nil {
			return Version{}, failed
		}
	}
}

// current asks the question that brokers know since 0.10.
func (p prober) current(ctx context.Context, addr string) (Version, error) {
	resp, err := p.one(ctx, addr, kmsg.NewPtrApiVersionsRequest(), 0)
	if err != nil {
		return Version{}, err
	}
	api := resp.(*kmsg.ApiVersionsResponse)
	if err := kerr.ErrorForCode(api.ErrorCode); err != nil {
		return Version{}, err
	}
	if len(api.ApiKeys) == 0 {
		return Version{}, errNotKafka
	}
	return versionOf(api), nil
}

// older asks the questions that brokers know since 0.9 and since 0.8.
func (p prober) older(ctx context.Context, addr string) (Version, error) {
	if _, err := p.one(ctx, addr, kmsg.NewPtrListGroupsRequest(), 0); err == nil {
		return oldVersion(V09), nil
	}
	if _, err := p.one(ctx, addr, kmsg.NewPtrMetadataRequest(), 0); err != nil {
		return Version{}, err
	}
	return oldVersion(V08), nil
}

// speaksTLS says whether a port that does not answer us in plain text answers to TLS.
func (p prober) speaksTLS(ctx context.Context, addr string) bool {
	conn, err := p.dial(ctx, "tcp", addr)
	if err != nil || isSecured(conn) {
		return false
	}
	defer conn.Close()
	// Nothing is sent over this connection, so whose certificate it is does not matter.
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	// An alert is TLS as well: the broker wants another version, or a certificate.
	_, alert := errors.AsType[tls.AlertError](err)
	return err == nil || alert
}

// speaksPlain says whether a port that does not answer to TLS answers in plain text.
func (p prober) speaksPlain(ctx context.Context, addr string) bool {
	conn, err := p.cfg.dialPlain(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	_, err = ask(ctx, conn, p.cfg.ClientID, kmsg.NewPtrApiVersionsRequest(), 0)
	return err == nil
}

// offered returns the ways of signing in that a port offers; ok is false if it wants nobody to.
func (p prober) offered(ctx context.Context, at found) (names []string, ok bool) {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Mechanism = "NONE" // no mechanism's name, so the answer is the list of those there are
	var version int16
	if at.version.Supports(kmsg.SASLHandshake, 1) {
		version = 1
	}
	resp, err := p.one(ctx, at.addr, req, version)
	if err != nil {
		return nil, false
	}
	hand := resp.(*kmsg.SASLHandshakeResponse)
	return hand.SupportedMechanisms, len(hand.SupportedMechanisms) > 0
}

// found is a bootstrap address that answered.
type found struct {
	addr    string
	version Version
}

// first asks all bootstrap addresses at once and takes the first that answers. It waits for the others
// to give up, which they do as soon as their context ends.
func (p prober) first(ctx context.Context, addrs []string) (found, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		found
		err error
	}
	answers := make(chan answer, len(addrs)) // with room for all, so that no one waits to be heard
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, addr := range addrs {
		wg.Go(func() {
			// A third of the time is kept for finding out why there was no answer.
			part, done := partOf(ctx, 2./3)
			v, err := p.version(part, addr)
			done()
			if err != nil {
				err = p.diagnose(ctx, addr, err)
			}
			answers <- answer{found{addr, v}, err}
		})
	}
	errs := make(map[string]error, len(addrs))
	for range addrs {
		a := <-answers
		if a.err == nil {
			return a.found, nil
		}
		errs[a.addr] = a.err
	}
	return found{}, p.none(addrs, errs)
}

// diagnose turns the failure at one address into an Error, looking once more at the port where a
// mix-up of TLS and plain text is possible.
func (p prober) diagnose(ctx context.Context, addr string, err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	// How a port reacts to the wrong protocol differs: Kafka closes, others answer nonsense or not at all.
	silent := isClosed(err) || isTimeout(err) || errors.Is(err, errAlert) || errors.Is(err, errNotKafka)
	d, dialled := errors.AsType[*dialError](err)
	_, strange := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case !p.cfg.UsesTLS() && silent && !dialled && p.speaksTLS(ctx, addr):
		return &Error{Kind: TLSExpected, Place: addr,
			Text: fmt.Sprintf("the broker speaks TLS on this port, but security.protocol is %s",
				p.cfg.tls.protocol),
			Remedy: "set security.protocol to " + strings.Replace(p.cfg.tls.protocol, "PLAINTEXT", "SSL", 1) +
				" (with ssl.truststore.*), or use the port of the plain listener"}
	case p.cfg.UsesTLS() && (strange || silent && dialled && !d.plain && !d.wantsOurs) && p.speaksPlain(ctx,
		addr):
		return &Error{Kind: TLSUnexpected, Place: addr,
			Text: fmt.Sprintf("the broker does not speak TLS on this port, but security.protocol is %s",
				p.cfg.tls.protocol),
			Remedy: "use the port of the TLS listener, or set security.protocol to " +
				strings.Replace(p.cfg.tls.protocol, "SSL", "PLAINTEXT", 1)}
	}
	return explainAt(err, p.cfg, addr)
}

// none is the error when no bootstrap address answered. What is more telling than a missing connection
// comes first; every address is named with what happened there.
func (p prober) none(addrs []string, errs map[string]error) error {
	var worst *Error
	parts := map[string]string{}
	for _, addr := range addrs {
		e, ok := errors.AsType[*Error](errs[addr])
		if !ok {
			e = &Error{Kind: Other, Place: addr, Text: "asking what the broker is", Err: errs[addr]}
		}
		parts[addr] = addr + ": " + e.Text
		if e.Err != nil {
			parts[addr] = addr + ": " + brief(e.Err)
		}
		if worst == nil || telling(e.Kind) > telling(worst.Kind) {
			worst = e
		}
	}
	all := *worst
	if telling(worst.Kind) > telling(Unreachable) {
		delete(parts, worst.Place)
		if len(parts) > 0 {
			all.Text += " (and elsewhere: " + joinParts(addrs, parts) + ")"
		}
		return &all
	}
	if slices.ContainsFunc(addrs, func(a string) bool { return KindOf(errs[a]) != HostUnknown }) {
		all.Kind = Unreachable
	}
	all.Place, all.Err = strings.Join(addrs, ", "), errors.Join(slices.Collect(maps.Values(errs))...)
	all.Text = "no broker can be reached: " + joinParts(addrs, parts)
	all.Remedy = "check bootstrap.servers, that the brokers run, and the network (firewall, VPN, DNS) between"
	all.listed = true
	return &all
}

// joinParts joins what is there of parts, in the order of keys.
func joinParts(keys []string, parts map[string]string) string {
	var out []string
	for _, k := range keys {
		if t, ok := parts[k]; ok {
			out = append(out, t)
		}
	}
	return strings.Join(out, "; ")
}

// telling orders kinds by how much they say about what is wrong.
func telling(k Kind) int {
	switch k {
	case Unreachable, HostUnknown:
		return 1
	case TimedOut:
		return 2
	case Other:
		return 3
	}
	return 4
}
