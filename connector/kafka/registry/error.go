package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/twmb/franz-go/pkg/sr"
)

// An Error is a registry's refusal, or its silence. Text and fields hold no credentials.
type Error struct {
	// URL is the registry, or the registries, that were asked.
	URL string
	// What was asked for: "schema id 7", "subject orders-value version 2".
	What string
	// Status is the answer's HTTP status and Code the registry's own number, such as 40403 for a
	// schema that is not there. Both are 0 if there was no answer.
	Status, Code int
	// Remedy is what to look at.
	Remedy string
	// Err is the cause.
	Err error
}

// Error names the registry, what was asked for, the cause and the remedy.
func (e *Error) Error() string {
	return fmt.Sprintf("schema registry %s: %s: %v: %s", e.URL, e.What, e.Err, e.Remedy)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The registry's codes that have a remedy of their own.
const (
	codeSubjectNotFound = 40401
	codeVersionNotFound = 40402
	codeSchemaNotFound  = 40403
)

// explain makes an Error of what a request ended with. err is not nil.
func (c *Client) explain(what string, err error) *Error {
	e := &Error{URL: c.urls, What: what, Err: err}
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok {
		e.Status, e.Code = answer.StatusCode, answer.ErrorCode
		e.Err = fmt.Errorf("HTTP %d%s: %s", e.Status, code(answer), excerpt(answer.Error()))
		e.Remedy = answerRemedy(e.Status, e.Code)
		return e
	}
	// The URL is named already, and the client of the net/http package repeats it.
	if u, ok := errors.AsType[*url.Error](err); ok {
		e.Err = u.Err
	}
	e.Remedy = silenceRemedy(err)
	return e
}

func code(answer *sr.ResponseError) string {
	if answer.ErrorCode == 0 || answer.ErrorCode == answer.StatusCode {
		return ""
	}
	return fmt.Sprintf(", code %d", answer.ErrorCode)
}

func answerRemedy(status, code int) string {
	switch code {
	case codeSchemaNotFound:
		return "the record was written with another registry, or the schema was deleted for good: " +
			"check schema.registry.url against the producer's"
	case codeSubjectNotFound:
		return "register a schema under the subject, let auto.register.schemas do it, or check " +
			"key.subject.name.strategy and value.subject.name.strategy"
	case codeVersionNotFound:
		return "the subject lacks that version: check schema.registry.url against the producer's"
	}
	switch {
	case status == http.StatusUnauthorized:
		return "check basic.auth.credentials.source and basic.auth.user.info, or bearer.auth.token"
	case status == http.StatusForbidden:
		return "the user that basic.auth.user.info or bearer.auth.token names lacks the right: grant it in the registry"
	case status == http.StatusNotFound:
		return "this does not answer like a schema registry: check host, port and path in schema.registry.url"
	case status == http.StatusConflict:
		return "the schema breaks the subject's compatibility rule: change it (a default for each new field), " +
			"or relax the rule in the registry"
	case status == http.StatusUnprocessableEntity:
		return "the registry does not take the schema or the request: read its reason above"
	case status == http.StatusTooManyRequests:
		return "the registry asks for fewer requests: raise retries.wait.ms or its limit"
	case status >= 500:
		return "the registry itself is failing: look into its log"
	case status >= 300 && status < 400:
		return "the registry redirects: put the address it redirects to into schema.registry.url"
	}
	return "check schema.registry.url and the registry's log"
}

// silenceRemedy is for requests that got no usable answer.
func silenceRemedy(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		if _, ok := errors.AsType[x509.HostnameError](err); ok {
			return "use a name from the certificate in schema.registry.url, or empty " +
				"schema.registry.ssl.endpoint.identification.algorithm"
		}
		return "put the CA's certificate into schema.registry.ssl.truststore.location"
	}
	if refusedTLS(err) {
		return "the registry ended the TLS handshake: if it asks for a client certificate, set " +
			"schema.registry.ssl.keystore.location"
	}
	if plainHTTP(err) {
		return "the registry speaks plain HTTP on this port: write http:// in schema.registry.url"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host's name is not known here: check schema.registry.url and the resolver"
	}
	if timedOut(err) {
		return "it did not answer in time: check schema.registry.url, firewalls and the registry's load, or raise " +
			"http.read.timeout.ms and schema.registry.request.timeout.ms"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "it cannot be reached: check host and port in schema.registry.url, and that it runs"
	}
	if errors.Is(err, context.Canceled) {
		return "the caller gave up"
	}
	return "this does not answer like a schema registry: check schema.registry.url"
}

// refusedTLS says whether the other side ended the handshake, or the connection, with an alert.
func refusedTLS(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" // crypto/tls gives the alert itself no exported type
}

func plainHTTP(err error) bool {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	// What net/http makes of that error has no type.
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// passing says whether the same request may succeed a moment later. A certificate will not change, nor
// will a refusal; what is overloaded, starting or being replaced will.
func passing(err error) bool {
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok {
		switch answer.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || refusedTLS(err) || plainHTTP(err) {
		return false
	}
	_, carried := errors.AsType[*url.Error](err) // else it is the body that does not decode
	return carried
}

// excerpt is a registry's message, fit for one line of a log: some answer with a page of HTML.
func excerpt(s string) string {
	const most = 300
	space := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	s = strings.Join(strings.FieldsFunc(s, space), " ")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " ..."
}
