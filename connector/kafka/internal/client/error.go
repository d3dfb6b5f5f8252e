package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Kind says what sort of trouble an Error is about, so that a caller can act on it.
type Kind uint8

// The kinds of errors.
const (
	// Other is what no other kind fits.
	Other Kind = iota
	// Unreachable: no bootstrap address could be connected to.
	Unreachable
	// HostUnknown: no name of a bootstrap address could be resolved.
	HostUnknown
	// AdvertisedUnreachable: brokers answer at the bootstrap address, but not at the addresses that they
	// themselves tell clients to use.
	AdvertisedUnreachable
	// NotKafka: something answers, but not with Kafka's protocol.
	NotKafka
	// TLSExpected: the port speaks TLS and we do not.
	TLSExpected
	// TLSUnexpected: we speak TLS and the port does not.
	TLSUnexpected
	// CertificateUnknown: the broker's certificate is signed by an authority that we do not trust.
	CertificateUnknown
	// CertificateInvalid: the broker's certificate is expired, not valid yet, or not for servers.
	CertificateInvalid
	// HostMismatch: the broker's certificate is for other hosts.
	HostMismatch
	// CertificateRequired: the broker wants a certificate of ours, and we have none or not a good one.
	CertificateRequired
	// SASLExpected: the port wants clients to sign in and we do not.
	SASLExpected
	// SASLUnexpected: we sign in and the port does not want that.
	SASLUnexpected
	// MechanismUnsupported: the brokers do not offer our way of signing in.
	MechanismUnsupported
	// AuthenticationFailed: wrong user, password or token.
	AuthenticationFailed
	// TokenFailed: no OAuth token could be had.
	TokenFailed
	// Unauthorized: signed in, but without the right.
	Unauthorized
	// TooOld: the broker is too old for what was asked.
	TooOld
	// GroupLive: the group has members, so its offsets cannot be set from outside.
	GroupLive
	// NoTopic: there is no such topic, partition or topic id.
	NoTopic
	// Unavailable: the cluster cannot answer now (no leader, no coordinator, moving); trying again later
	// may help.
	Unavailable
	// TimedOut: no answer within the deadline.
	TimedOut
)

// kindNames are for metrics and logs.
var kindNames = [...]string{
	"other", "unreachable", "host unknown", "advertised address unreachable", "not Kafka",
	"TLS expected", "TLS unexpected", "certificate unknown", "certificate invalid", "host mismatch",
	"certificate required", "SASL expected", "SASL unexpected", "mechanism unsupported",
	"authentication failed", "token failed", "unauthorized", "too old", "group live", "no topic",
	"unavailable", "timed out",
}

// String is the kind's name, for metrics and logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// An Error says what went wrong, where, and what to do. Err is the cause, if there is one.
type Error struct {
	Kind Kind
	// Place is the address, topic, partition or group that it is about; it may be empty.
	Place string
	// Text says what is wrong, Remedy what to do.
	Text, Remedy string
	Err          error

	// listed says that Text tells of Err already.
	listed bool
}

// Error is one line: what (where): cause; remedy.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("Kafka: ")
	b.WriteString(e.Text)
	if e.Place != "" && !e.listed && !strings.Contains(e.Text, e.Place) {
		fmt.Fprintf(&b, " (%s)", e.Place)
	}
	if e.Err != nil && !e.listed {
		fmt.Fprintf(&b, ": %s", brief(e.Err))
	}
	if e.Remedy != "" {
		fmt.Fprintf(&b, "; %s", e.Remedy)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first Error in err's chain, or Other.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Other
}

// brief is an error's text without the prefixes that only repeat what an Error says already.
func brief(err error) string {
	if e, ok := errors.AsType[*dialError](err); ok {
		err = e.err
	}
	if _, ok := errors.AsType[*kgo.ErrFirstReadEOF](err); ok {
		return "the connection was closed without an answer" // franz-go's text guesses at reasons
	}
	return strings.TrimSuffix(strings.TrimPrefix(err.Error(), "unable to dial: "), ".")
}
