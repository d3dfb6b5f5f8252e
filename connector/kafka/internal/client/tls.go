package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// tlsSettings is what security.protocol and ssl.* say, unread.
type tlsSettings struct {
	protocol    string // security.protocol
	hostCheck   string // "https", or "" for none
	version     string // ssl.protocol
	versions    []string
	ciphers     []string
	trust, key  storeSettings
	inlineKey   secret // ssl.keystore.key; its certificates are key.inline
	keyPassword secret
}

// storeSettings is one store: a file, or for PEM the text itself.
type storeSettings struct {
	location, kind   string
	password, inline secret
}

func (s storeSettings) empty() bool { return s.location == "" && s.inline == "" }

// tlsVersions are Java's names for the protocol versions. TLS means any.
var tlsVersions = map[string]uint16{
	"TLSV1.3": tls.VersionTLS13, "TLSV1.2": tls.VersionTLS12, "TLSV1.1": tls.VersionTLS11,
	"TLSV1": tls.VersionTLS10,
}

// check finds what is wrong without reading any file.
func (t *tlsSettings) check(c *Config) []error {
	var errs []error
	fail := func(name, problem string) { errs = append(errs, &ParamError{name, problem}) }
	for name, s := range map[string]storeSettings{"ssl.truststore": t.trust, "ssl.keystore": t.key} {
		if s.location != "" && s.inline != "" {
			fail(name+".location", "is set beside a store in the parameters themselves: keep one of them")
		}
		if s.inline != "" && s.kind != "" && s.kind != storePEM {
			fail(name+".type", "must be PEM, because the store is in the parameters themselves")
		}
	}
	if (t.inlineKey == "") != (t.key.inline == "") {
		fail("ssl.keystore.key", "and ssl.keystore.certificate.chain are needed together: set both or none")
	}
	// Names that cannot be spoken are found now rather than at the first connection.
	if _, _, err := t.versionRange(); err != nil {
		fail("ssl.enabled.protocols", err.Error())
	}
	if _, err := t.suites(); err != nil {
		fail("ssl.cipher.suites", err.Error())
	}
	switch uses := c.UsesTLS(); {
	case !uses && !(t.trust.empty() && t.key.empty()):
		c.warn("the ssl.* parameters have no effect, because security.protocol is %s", t.protocol)
	case uses && t.hostCheck == "":
		c.warn("ssl.endpoint.identification.algorithm is empty: brokers' certificates are verified, but not " +
			"that they belong to the host that was dialled; whoever holds any certificate of the same " +
			"authority can pose as a broker")
	}
	return errs
}

// versionRange is the lowest and highest version to offer. Go has no gaps between them.
func (t *tlsSettings) versionRange() (low, high uint16, err error) {
	low, high = tls.VersionTLS12, tls.VersionTLS13
	// Go takes a range, Java a list; what lies between is spoken, too.
	if len(t.versions) > 0 {
		low, high = tls.VersionTLS13, 0
		for _, name := range t.versions {
			v, ok := tlsVersions[strings.ToUpper(name)]
			if !ok {
				return 0, 0, fmt.Errorf("has %s: only TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3 can be spoken", name)
			}
			low, high = min(low, v), max(high, v)
		}
	}
	// A version in ssl.protocol is the highest that such a Java context speaks; TLS and SSL say nothing.
	if v, ok := tlsVersions[strings.ToUpper(t.version)]; ok {
		high = min(high, v)
		low = min(low, high)
	}
	return low, high, nil
}

// suites are the cipher suites to offer, or nil for Go's choice. Those of TLS 1.3 are always on.
func (t *tlsSettings) suites() ([]uint16, error) {
	var ids []uint16
	for _, name := range t.ciphers {
		id, ok := suite(name)
		if !ok {
			return nil, fmt.Errorf("has %s, which Go cannot speak: remove it, or name suites such as "+
				"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func suite(name string) (uint16, bool) {
	// Java calls suites that are as old as SSL by that name.
	name = strings.ToUpper(name)
	name = "TLS_" + strings.TrimPrefix(strings.TrimPrefix(name, "SSL_"), "TLS_")
	// Whoever names a weak suite has a broker that knows no other; Java would speak it.
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if strings.EqualFold(s.Name, name) || strings.EqualFold(s.Name, name+"_SHA256") {
			return s.ID, true
		}
	}
	return 0, false
}

// tlsMaker makes the TLS configuration for one connection to a host.
type tlsMaker struct {
	base      *tls.Config
	roots     *x509.CertPool // nil: the system's
	checkHost bool
	cert      *tls.Certificate
}

// load reads the stores. warnings are for the log.
func (t *tlsSettings) load() (m *tlsMaker, warnings []string, err error) {
	low, high, err := t.versionRange()
	if err != nil {
		return nil, nil, err
	}
	suites, err := t.suites()
	if err != nil {
		return nil, nil, err
	}
	m = &tlsMaker{
		base:      &tls.Config{MinVersion: low, MaxVersion: high, CipherSuites: suites},
		checkHost: t.hostCheck != "",
	}
	// Both stores are read even if the first is bad, so that all is said at once.
	var errs []error
	if !t.trust.empty() {
		var w string
		if m.roots, w, err = t.trust.trusted(); err != nil {
			errs = append(errs, &ParamError{t.trust.where("ssl.truststore", "certificates"), err.Error()})
		}
		warnings = appendText(warnings, w)
	}
	if !t.key.empty() {
		var w string
		if m.cert, w, err = t.keyPair(); err != nil {
			errs = append(errs, &ParamError{t.key.where("ssl.keystore", "key"), err.Error()})
		}
		warnings = appendText(warnings, w)
	}
	return m, warnings, errors.Join(errs...)
}

func appendText(list []string, text string) []string {
	if text == "" {
		return list
	}
	return append(list, text)
}

// where names the parameter that a store comes from.
func (s storeSettings) where(prefix, inline string) string {
	if s.location != "" {
		return prefix + ".location"
	}
	return prefix + "." + inline
}

// config is the TLS configuration for a connection to host. asked is set when the broker wants to see
// a certificate of ours, which tells a missing key store from other failures.
func (m *tlsMaker) config(host string, asked *bool) *tls.Config {
	c := m.base.Clone()
	c.ServerName = host
	// Go's own check cannot leave out the host's name alone, and does not know Java's fallback to the
	// common name, which certificates made by keytool's defaults need. So both checks are ours.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error { return m.verify(state, host) }
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		*asked = true
		if m.cert == nil { // an empty certificate is Go's way of saying that we have none
			return &tls.Certificate{}, nil
		}
		return m.cert, nil
	}
	return c
}

// verify checks the chain, always, and the host's name unless it was switched off.
func (m *tlsMaker) verify(state tls.ConnectionState, host string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("tls: the broker showed no certificate")
	}
	leaf := state.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	// Without a trust store Roots is nil, which means the system's.
	_, err := leaf.Verify(x509.VerifyOptions{Roots: m.roots, Intermediates: between})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	if !m.checkHost || commonNameFits(leaf, host) {
		return nil
	}
	if err := leaf.VerifyHostname(host); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

// commonNameFits is Java's fallback: a certificate without any alternative DNS name is for the host
// that is its common name. It never holds for addresses, and * stands for one label.
func commonNameFits(leaf *x509.Certificate, host string) bool {
	if len(leaf.DNSNames) > 0 || net.ParseIP(host) != nil {
		return false
	}
	name := strings.TrimSuffix(strings.ToLower(leaf.Subject.CommonName), ".")
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "" {
		return false
	}
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		_, tail, found := strings.Cut(host, ".")
		return found && strings.Contains(rest, ".") && tail == rest
	}
	return name == host
}
