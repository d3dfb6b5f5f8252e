package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/reference"
)

// Explain turns an error of franz-go, of a broker or of the network into an *Error that names the
// thing, the place and the remedy. An error that is an *Error or a *ParamError already, one that comes
// from the caller's own cancelling or from Close, and nil are returned as they are.
func Explain(err error, cfg *Config) error { return explainAt(err, cfg, "") }

// explainAt is Explain for a failure at a known place: an address, a topic, a partition, a group.
func explainAt(err error, cfg *Config, place string) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return err
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*ParamError](err); ok {
		return err
	}
	e := &Error{Place: place, Err: err}
	// The address that was dialled is nearer to the trouble than the partition it was dialled for.
	if d, ok := errors.AsType[*dialError](err); ok {
		e.Place = d.addr
		if place != "" && place != d.addr {
			e.Place = place + ", " + d.addr
		}
	}
	// The most telling first: a certificate that does not fit arrives inside of a failed connection.
	for _, f := range []func(*Error, *Config) bool{explainTLS, explainBroker, explainOld, explainNetwork} {
		if f(e, cfg) {
			return e
		}
	}
	e.Text = "the request failed"
	return e
}

// explainTLS is for what goes wrong between the connection and the first request.
func explainTLS(e *Error, cfg *Config) bool {
	// The order matters from here to the next comment: what TLS says of itself, then what can only be guessed
	// from how a handshake ended.
	d, _ := errors.AsType[*dialError](e.Err)
	switch {
	case isError[x509.UnknownAuthorityError](e.Err):
		e.Kind, e.Text = CertificateUnknown,
			"the broker's certificate is signed by an authority that is not trusted"
		e.Remedy = "put the authority's certificate into ssl.truststore.location (or ssl.truststore.certificates)"
		if cfg.tls.trust.empty() {
			e.Remedy += "; none is set, so only the system's authorities are trusted"
		}
	case isError[x509.HostnameError](e.Err):
		e.Kind, e.Text = HostMismatch, "the broker's certificate is for other hosts"
		e.Remedy = "dial the broker by a name that is in its certificate, or issue one with this name; an empty " +
			"ssl.endpoint.identification.algorithm switches the check off"
	case isError[x509.CertificateInvalidError](e.Err):
		e.Kind, e.Text = CertificateInvalid, "the broker's certificate is not valid"
		e.Remedy = "renew it on the broker, or set this machine's clock right"
	case isError[tls.RecordHeaderError](e.Err):
		e.Kind, e.Text = TLSUnexpected, "the broker does not speak TLS on this port"
		e.Remedy = "use the port of the TLS listener, or a security.protocol without SSL"
	case errors.Is(e.Err, errAlert):
		e.Kind, e.Text = TLSExpected, "the broker speaks TLS on this port"
		e.Remedy = "set security.protocol to SSL or SASL_SSL"
	// Brokers refuse a missing or bad certificate in words that vary with their version and TLS's; that they
	// asked for one and that it failed then is what these cases have in common.
	case d != nil && d.wantsOurs && !isTimeout(e.Err):
		e.Kind, e.Text = CertificateRequired, "the broker wants a certificate of this client, and none is set"
		e.Remedy = "set ssl.keystore.location and its password (or ssl.keystore.key and .certificate.chain)"
		if d.hasOurs {
			e.Text = "the broker does not accept the certificate of this client"
			e.Remedy = "check that ssl.keystore.* holds a certificate that the broker's trust store vouches for " +
				"and that is not expired"
		}
	case d != nil && !d.plain && !isTimeout(e.Err):
		e.Kind, e.Text = Other, "TLS could not be agreed on with the broker"
		if isClosed(e.Err) {
			e.Kind = TLSUnexpected
		}
		e.Remedy = "check that the port is a TLS listener, and ssl.enabled.protocols and ssl.cipher.suites"
	default:
		return false
	}
	return true
}

func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// explainBroker is for errors that a broker answers with.
func explainBroker(e *Error, cfg *Config) bool {
	k, ok := errors.AsType[*kerr.Error](e.Err)
	if !ok {
		return false
	}
	user := cfg.user()
	switch k {
	case kerr.SaslAuthenticationFailed:
		e.Kind, e.Text = AuthenticationFailed, "the broker rejects "+user+" or the password"
		e.Remedy = "check username and password in sasl.jaas.config, and that sasl.mechanism is the one the user " +
			"was created for"
	case kerr.UnsupportedSaslMechanism:
		e.Kind, e.Text = MechanismUnsupported, "the broker does not offer sasl.mechanism="+cfg.sasl.mechanism
		e.Remedy = "set one that it offers, or enable this one on the broker's listener"
	case kerr.IllegalSaslState:
		e.Kind, e.Text = SASLUnexpected, "the broker does not want clients to sign in on this port"
		e.Remedy = "use the port of the SASL listener, or a security.protocol without SASL_"
	case kerr.TopicAuthorizationFailed:
		unauthorized(e, user, "the topic", "READ (to write: WRITE) and DESCRIBE on the topic")
	case kerr.GroupAuthorizationFailed:
		unauthorized(e, user, "the group", "READ on the group")
	case kerr.ClusterAuthorizationFailed:
		unauthorized(e, user, "the cluster",
			"the right on the cluster; an idempotent producer needs IDEMPOTENT_WRITE "+
				"before Kafka 2.8 (or enable.idempotence=false)")
	case kerr.TransactionalIDAuthorizationFailed:
		unauthorized(e, user, "the transactional id", "WRITE and DESCRIBE on the transactional id")
	case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException:
		e.Kind, e.Text = NoTopic, "there is no such topic or partition"
		e.Remedy = "create it, or correct its name; " + user + " without the right to DESCRIBE it sees the same"
	case kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.StaleMemberEpoch,
		kerr.FencedInstanceID:
		e.Kind, e.Text = GroupLive, "the group has live members, so only they may set its offsets"
		e.Remedy = "stop the other consumers of the group, or use a group.id of its own"
	case kerr.InvalidGroupID:
		e.Kind, e.Text, e.Remedy = Other, "the group's name is empty or not allowed", "set group.id"
	case kerr.UnsupportedVersion, kerr.UnsupportedForMessageFormat:
		e.Kind, e.Text = TooOld, "the broker, or the format of its log, is too old for what was asked"
		e.Remedy = "upgrade the broker, or do without"
	default:
		// What Kafka itself would try again is a cluster in motion; the rest is left to its own name.
		if !k.Retriable {
			return false
		}
		e.Kind, e.Text = Unavailable, "the cluster cannot answer now"
		e.Remedy = "check that all brokers run and that the partition has a leader"
	}
	return true
}

func unauthorized(e *Error, user, thing, right string) {
	e.Kind = Unauthorized
	e.Text = fmt.Sprintf("%s has no right to %s", user, thing)
	e.Remedy = "grant " + right
}

// user names whom the connection is for. It is no secret, but it may stand in a file.
func (c *Config) user() string {
	if c.UsesSASL() && c.sasl.jaas != nil {
		if name := c.sasl.jaas.options["username"].reveal(); name != "" && !reference.Has(name) {
			return fmt.Sprintf("user %q", name)
		}
	}
	if c.UsesSASL() {
		return "the user"
	}
	if !c.tls.key.empty() {
		return "the owner of the client's certificate"
	}
	return "the anonymous user"
}

// explainOld is for requests that franz-go did not send because the broker would not know them. It has
// no exported names for these errors.
func explainOld(e *Error, _ *Config) bool {
	text := e.Err.Error()
	if !strings.Contains(text, "broker is too old") && !strings.Contains(text, "request key is unknown") {
		return false
	}
	e.Kind, e.Text, e.Remedy = TooOld, "the broker does not know this request",
		"upgrade the broker, or do without"
	return true
}

// explainNetwork is for connections that are not there, or end.
func explainNetwork(e *Error, cfg *Config) bool {
	dns, unresolved := errors.AsType[*net.DNSError](e.Err)
	d, dialled := errors.AsType[*dialError](e.Err)
	op, isOp := errors.AsType[*net.OpError](e.Err)
	switch {
	// A name server that does not answer is a network that is away; one that says no is a wrong name.
	case unresolved && !dns.IsTimeout:
		e.Kind, e.Text = HostUnknown, fmt.Sprintf("the host name %s cannot be resolved", dns.Name)
		e.Remedy = "correct the name, or make it known to this machine (DNS, /etc/hosts)"
	// A timeout before the connection was there is the same as a connection that was refused.
	case isTimeout(e.Err) && (!dialled || !d.plain):
		e.Kind, e.Text = TimedOut, "there was no answer in time"
		e.Remedy = "check that the brokers run, that a firewall does not swallow the connection, and that the port " +
			"is a Kafka listener"
	case dialled && d.plain || isOp && op.Op == "dial":
		e.Kind, e.Text = Unreachable, "the broker cannot be reached"
		e.Remedy = "check the address, that the broker runs, and the network (firewall, VPN) between"
	case errors.Is(e.Err, errNotKafka):
		e.Kind, e.Text = NotKafka, "this port is not a Kafka broker's"
		e.Remedy = "check host and port in bootstrap.servers"
		e.Err = nil
	case isClosed(e.Err):
		e.Kind, e.Text = Unavailable, "the broker closed the connection"
		e.Remedy = "check the broker's log, and that the port is the listener for security.protocol=" + cfg.tls.protocol
		if cfg.UsesSASL() {
			e.Remedy += "; if it happens to every connection, the password is wrong"
		}
	case isOp:
		e.Kind, e.Text = Unavailable, "the connection to the broker broke"
		e.Remedy = "check the network between"
	default:
		return false
	}
	return true
}
