package registry

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// tlsSettings are the values of schema.registry.ssl.*, as they were given.
type tlsSettings struct {
	trustLocation, trustPEM       string
	keyLocation, chainPEM, keyPEM string
	keyPassword                   string
	protocols                     string
	hostCheck                     string
}

// config makes a TLS configuration of the settings and reads the files they name. Without a trust
// store the system's certificates are trusted, as Java trusts its own.
func (t *tlsSettings) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	err := errors.Join(t.trust(c), t.identify(c), t.versions(c))
	if err != nil {
		return nil, fmt.Errorf("schema registry client: %w", err)
	}
	if t.hostCheck == "" {
		skipHost(c)
	}
	return c, nil
}

func (t *tlsSettings) trust(c *tls.Config) error {
	text := t.trustPEM
	if t.trustLocation != "" {
		if text != "" {
			return errors.New("schema.registry.ssl.truststore.location and .certificates are both set: remove one")
		}
		var err error
		if text, err = store("truststore", t.trustLocation); err != nil {
			return err
		}
	}
	if t.trustLocation == "" && text == "" {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return errors.New("schema.registry.ssl.truststore: no certificate in PEM is in it: it begins with " +
			"-----BEGIN CERTIFICATE-----")
	}
	c.RootCAs = pool
	return nil
}

// identify sets the certificate that this client shows.
func (t *tlsSettings) identify(c *tls.Config) error {
	chain, key := t.chainPEM, t.keyPEM
	if t.keyLocation != "" {
		text, err := store("keystore", t.keyLocation)
		if err != nil {
			return err
		}
		chain, key = text, text // Kafka's PEM key store is one file with both
	}
	if chain == "" && key == "" {
		return nil
	}
	if t.keyPassword != "" || strings.Contains(key, "ENCRYPTED") {
		return errors.New("schema.registry.ssl.keystore: encrypted keys are not read: hand in registry.TLS, or " +
			"decrypt it with openssl pkey -in key.pem -out plain.pem")
	}
	certificate, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		return fmt.Errorf("schema.registry.ssl.keystore: %w: it takes the certificate chain and the private key, "+
			"both PEM", err)
	}
	c.Certificates = []tls.Certificate{certificate}
	return nil
}

// store reads a store, which has to be PEM. The content counts and not what .type says: Kafka's
// default for that is JKS, which nobody means who names a PEM file.
func store(which, location string) (string, error) {
	b, err := readFile(location)
	if err != nil {
		return "", fmt.Errorf("schema.registry.ssl.%s.location: %w", which, err)
	}
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		return "", fmt.Errorf("schema.registry.ssl.%s.location: %s is not PEM, the only form that is read: convert it "+
			"with keytool -importkeystore -deststoretype PKCS12 and openssl pkcs12 -nodes, or hand in registry.TLS",
			which, location)
	}
	return string(b), nil
}

func (t *tlsSettings) versions(c *tls.Config) error {
	if t.protocols == "" {
		return nil
	}
	c.MinVersion, c.MaxVersion = 0, 0
	for name := range strings.SplitSeq(t.protocols, ",") {
		var v uint16
		switch strings.TrimSpace(name) {
		case "TLSv1.2":
			v = tls.VersionTLS12
		case "TLSv1.3":
			v = tls.VersionTLS13
		default:
			return errors.New("schema.registry.ssl.enabled.protocols: must be TLSv1.2, TLSv1.3 or both")
		}
		if c.MinVersion == 0 || v < c.MinVersion {
			c.MinVersion = v
		}
		c.MaxVersion = max(c.MaxVersion, v)
	}
	return nil
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
