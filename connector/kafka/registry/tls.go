package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// secure makes a TLS configuration of schema.registry.ssl.* and reads the files they name. Without a trust store the
// system's certificates are trusted, as Java trusts its own.
func (s *settings) secure() (*tls.Config, error) {
	c, warnings, err := client.ServerTLS(strings.TrimSuffix(ssl, "ssl."), s.tls)
	if err != nil {
		return nil, fmt.Errorf("schema registry client: %w", err)
	}
	s.warnings = append(s.warnings, warnings...)
	if s.hostCheck == "" {
		skipHost(c)
	}
	return c, nil
}

// skipHost checks the chain and not the name in it, which is what Java does when
// ssl.endpoint.identification.algorithm is empty. Go's own check does both or nothing.
func skipHost(c *tls.Config) {
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the registry sent no certificate")
		}
		opts := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
		for _, between := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(between)
		}
		_, err := state.PeerCertificates[0].Verify(opts)
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		return nil
	}
}
