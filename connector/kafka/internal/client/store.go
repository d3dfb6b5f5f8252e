package client

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/weirstream/weir/internal/reference"
)

// Kafka's names for the kinds of stores.
const (
	storeJKS    = "JKS"
	storePKCS12 = "PKCS12"
	storePEM    = "PEM"
)

// read returns a store's content and its kind by the content, which counts: Java's key tools have
// written PKCS12 into files named .jks since version 9. warning says that the kind is not the one
// named, unless it is that case.
func (s storeSettings) read(prefix string) (content []byte, kind, warning string, err error) {
	if s.inline != "" {
		return []byte(s.inline.reveal()), storePEM, "", nil
	}
	if content, err = reference.ReadSmall(s.location); err != nil {
		return nil, "", "", err
	}
	switch {
	case bytes.HasPrefix(content, []byte{0xfe, 0xed, 0xfe, 0xed}):
		kind = storeJKS
	case bytes.HasPrefix(content, []byte{0xce, 0xce, 0xce, 0xce}):
		return nil, "", "", fmt.Errorf("%s is a JCEKS store, which is not supported: convert it with "+
			"keytool -importkeystore -srckeystore %s -destkeystore new.p12 -deststoretype PKCS12",
			s.location, s.location)
	case bytes.Contains(content, []byte("-----BEGIN ")):
		kind = storePEM
	case len(content) > 0 && content[0] == 0x30: // an ASN.1 sequence
		kind = storePKCS12
	default:
		return nil, "", "", fmt.Errorf("%s is neither a JKS nor a PKCS12 nor a PEM store: check the path",
			s.location)
	}
	switch {
	case s.kind == "" && kind == storePEM: // the default is JKS, as which Java's own readers take PKCS12, too
		warning = fmt.Sprintf("%s is a PEM store and is read as one; Java needs %s.type=PEM for it",
			s.location, prefix)
	case s.kind != "" && s.kind != kind:
		warning = fmt.Sprintf("%s is a %s store, not %s as %s.type says; it is read as what it is",
			s.location, kind, s.kind, prefix)
	}
	return content, kind, warning, nil
}

// trusted reads the certificates that a trust store vouches for.
func (s storeSettings) trusted() (pool *x509.CertPool, warning string, err error) {
	content, kind, warning, err := s.read("ssl.truststore")
	if err != nil {
		return nil, "", err
	}
	var certs []*x509.Certificate
	switch kind {
	case storePEM:
		var blocks []*pem.Block
		if blocks, err = pemBlocks(content); err == nil {
			certs, err = certificates(blocks)
		}
	case storeJKS:
		certs, err = jksTrusted(content, s.password)
	default:
		certs, err = pkcs12Trusted(content, s.password)
	}
	if err != nil {
		return nil, "", err
	}
	// An empty pool would not mean "the system's", it would mean "nobody", and every connection would fail.
	if len(certs) == 0 {
		return nil, "", errors.New("holds no trusted certificate: import the authority's certificate " +
			"with keytool -importcert, or use PEM")
	}
	pool = x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, warning, nil
}

// keyPair reads our own certificate and its key.
func (t *tlsSettings) keyPair() (cert *tls.Certificate, warning string, err error) {
	content, kind, warning, err := t.key.read("ssl.keystore")
	if err != nil {
		return nil, "", err
	}
	var key crypto.PrivateKey
	var chain []*x509.Certificate
	// As in Java: a key's own password is that of its store unless it is given; PEM has no store around it.
	password := t.keyPassword
	if password == "" && kind != storePEM {
		password = t.key.password
	}
	switch kind {
	case storePEM:
		if t.inlineKey != "" {
			content = slices.Concat([]byte(t.inlineKey.reveal()), []byte("\n"), content)
		}
		key, chain, err = pemKeyPair(content, password)
	case storeJKS:
		key, chain, err = jksKeyPair(content, t.key.password, password)
	default:
		key, chain, err = pkcs12KeyPair(content, t.key.password)
	}
	if err != nil {
		return nil, "", err
	}
	cert, err = assemble(key, chain)
	return cert, warning, err
}

// assemble puts the certificate that belongs to the key first, then each one's issuer.
func assemble(key crypto.PrivateKey, chain []*x509.Certificate) (*tls.Certificate, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("its private key is of a kind that cannot sign")
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil, errors.New("its private key is of a kind that is not supported: use RSA, ECDSA or Ed25519")
	}
	i := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return public.Equal(c.PublicKey) })
	if i < 0 {
		return nil, errors.New("holds no certificate for its private key: key and certificate do not match")
	}
	// Stores keep certificates in any order; TLS wants each followed by its issuer.
	leaf := chain[i]
	out := &tls.Certificate{PrivateKey: key, Leaf: leaf, Certificate: [][]byte{leaf.Raw}}
	rest := slices.Delete(slices.Clone(chain), i, i+1)
	for last := leaf; ; {
		next := slices.IndexFunc(rest, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, last.RawIssuer)
		})
		if next < 0 {
			return out, nil
		}
		last = rest[next]
		out.Certificate = append(out.Certificate, last.Raw)
		rest = slices.Delete(rest, next, next+1)
	}
}

// pemFrame finds PEM blocks in any of the shapes they take inside a properties file: on lines of their
// own, on one line with spaces, or with \n written out.
var pemFrame = regexp.MustCompile(`(?s)-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END ([A-Z0-9 ]+)-----`)

func pemBlocks(content []byte) ([]*pem.Block, error) {
	text := strings.ReplaceAll(string(content), `\n`, "\n")
	var blocks []*pem.Block
	for _, m := range pemFrame.FindAllStringSubmatch(text, -1) {
		// Headers are only in keys of the old way; base64 has no colons.
		if strings.Contains(m[2], ":") {
			return nil, fmt.Errorf("has a %s that is encrypted in OpenSSL's old way: convert it with "+
				"openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out new.pem", m[1])
		}
		body := strings.Join(strings.Fields(m[2]), "\n")
		framed := fmt.Sprintf("-----BEGIN %s-----\n%s\n-----END %s-----\n", m[1], body, m[3])
		block, _ := pem.Decode([]byte(framed))
		if block == nil {
			return nil, fmt.Errorf("has a PEM block %s that is damaged", m[1])
		}
		blocks = append(blocks, block)
	}
	if len(blocks) == 0 {
		return nil, errors.New("holds no PEM block (-----BEGIN ...----- to -----END ...-----)")
	}
	return blocks, nil
}

// certificates takes the certificates from PEM blocks; keys and parameters may stand between them.
func certificates(blocks []*pem.Block) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" && b.Type != "TRUSTED CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// pemKeyPair reads the first private key and all certificates. Java knows PKCS #8 keys only; the two older
// forms cost nothing more.
func pemKeyPair(content []byte, password secret) (key crypto.PrivateKey, chain []*x509.Certificate, err error) {
	blocks, err := pemBlocks(content)
	if err != nil {
		return nil, nil, err
	}
	if chain, err = certificates(blocks); err != nil {
		return nil, nil, err
	}
	for _, b := range blocks {
		switch b.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			key, err = decryptKey(b.Bytes, password)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(b.Bytes)
		default:
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("private key: %w", err)
		}
		return key, chain, nil
	}
	return nil, nil, errors.New("holds no private key (a PEM block PRIVATE KEY)")
}

// pkcs12Trusted reads a trust store. A key store serves as one, too: as in Java its own certificate is
// what it vouches for. A bare certificate in DER looks like PKCS12 at first sight and is taken as well.
func pkcs12Trusted(content []byte, password secret) ([]*x509.Certificate, error) {
	if cert, err := x509.ParseCertificate(content); err == nil {
		return []*x509.Certificate{cert}, nil
	}
	certs, err := pkcs12.DecodeTrustStore(content, password.reveal())
	if err == nil {
		return certs, nil
	}
	if _, leaf, _, keyErr := pkcs12.DecodeChain(content, password.reveal()); keyErr == nil {
		return []*x509.Certificate{leaf}, nil
	}
	return nil, passwordHint(err, "ssl.truststore.password")
}

// pkcs12KeyPair reads the one key of a PKCS #12 store and its certificates. Such a store has one password.
func pkcs12KeyPair(content []byte, password secret) (crypto.PrivateKey, []*x509.Certificate, error) {
	key, leaf, others, err := pkcs12.DecodeChain(content, password.reveal())
	if err != nil {
		return nil, nil, passwordHint(err, "ssl.keystore.password")
	}
	return key, append([]*x509.Certificate{leaf}, others...), nil
}

// passwordHint names the parameter where the password is to blame. Without a password a store that has one
// shows as one without a seal.
func passwordHint(err error, name string) error {
	if errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption) ||
		strings.Contains(err.Error(), "no MAC") {
		return fmt.Errorf("cannot be opened with %s: the password is wrong or missing", name)
	}
	return err
}

// jksTrusted reads what a Java key store vouches for.
func jksTrusted(content []byte, password secret) ([]*x509.Certificate, error) {
	ks, err := openJKS(content, password, "ssl.truststore.password")
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for _, alias := range ks.Aliases() {
		var raw []byte
		if ks.IsTrustedCertificateEntry(alias) {
			entry, err := ks.GetTrustedCertificateEntry(alias)
			if err != nil {
				return nil, fmt.Errorf("entry %s: %w", alias, err)
			}
			raw = entry.Certificate.Content
		} else if chain, err := ks.GetPrivateKeyEntryCertificateChain(alias); err == nil && len(chain) > 0 {
			raw = chain[0].Content // as in Java, a key store vouches for its own certificate
		} else {
			continue
		}
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", alias, err)
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// jksKeyPair reads the first key of a Java key store, in order of aliases, and its chain.
func jksKeyPair(content []byte, password, keyPassword secret) (crypto.PrivateKey, []*x509.Certificate, error) {
	ks, err := openJKS(content, password, "ssl.keystore.password")
	if err != nil {
		return nil, nil, err
	}
	for _, alias := range ks.Aliases() {
		if !ks.IsPrivateKeyEntry(alias) {
			continue
		}
		entry, err := ks.GetPrivateKeyEntry(alias, []byte(keyPassword.reveal()))
		if err != nil {
			return nil, nil, fmt.Errorf("its key %s cannot be opened with ssl.key.password (or, without that, "+
				"ssl.keystore.password): the password is wrong or missing", alias)
		}
		key, err := x509.ParsePKCS8PrivateKey(entry.PrivateKey)
		if err != nil {
			return nil, nil, fmt.Errorf("key %s: %w", alias, err)
		}
		var chain []*x509.Certificate
		for _, c := range entry.CertificateChain {
			cert, err := x509.ParseCertificate(c.Content)
			if err != nil {
				return nil, nil, fmt.Errorf("key %s: %w", alias, err)
			}
			chain = append(chain, cert)
		}
		return key, chain, nil
	}
	return nil, nil, errors.New("holds no private key")
}

// openJKS opens a store. Without a password the seal over it is not checked, as in Java: certificates
// are no secrets.
func openJKS(content []byte, password secret, name string) (keystore.KeyStore, error) {
	ks := keystore.New(keystore.WithOrderedAliases())
	end, err := jksEnd(content)
	if err != nil {
		return ks, err
	}
	if password == "" {
		// The reader insists on a seal, so it gets one for the empty password.
		seal := sha1.Sum(slices.Concat([]byte("Mighty Aphrodite"), content[:end]))
		content = slices.Concat(content[:end], seal[:])
	}
	if err := ks.Load(bytes.NewReader(content), []byte(password.reveal())); err != nil {
		if strings.Contains(err.Error(), "digest") {
			return ks, fmt.Errorf("cannot be opened with %s: the password is wrong, or the store is damaged", name)
		}
		return ks, err
	}
	return ks, nil
}

// jksEnd walks over a store and returns where its seal begins. The library that reads stores believes
// every length it finds; this makes sure that no length leads out of the file.
func jksEnd(content []byte) (int, error) {
	w := jksWalk{rest: content}
	w.skip(4)
	version := w.number(4)
	if version != 1 && version != 2 {
		return 0, fmt.Errorf("is a JKS store of version %d, which is not known", version)
	}
	for n := w.number(4); n > 0 && !w.short; n-- {
		tag := w.number(4)
		w.skip(w.number(2)) // alias
		w.skip(8)           // date
		certs := 1
		if tag == 1 {
			w.skip(w.number(4)) // key
			certs = w.number(4)
		}
		for ; certs > 0 && !w.short; certs-- {
			if version == 2 {
				w.skip(w.number(2)) // type
			}
			w.skip(w.number(4))
		}
	}
	if w.short || len(w.rest) != sha1.Size {
		return 0, errors.New("is a JKS store that is cut short or damaged")
	}
	return len(content) - len(w.rest), nil
}

// jksWalk reads the lengths in a store; short is set once it runs out.
type jksWalk struct {
	rest  []byte
	short bool
}

func (w *jksWalk) skip(n int) {
	if n < 0 || n > len(w.rest) {
		w.short, n = true, len(w.rest)
	}
	w.rest = w.rest[n:]
}

func (w *jksWalk) number(size int) int {
	if len(w.rest) < size {
		w.short, w.rest = true, nil
		return 0
	}
	var n int
	if size == 2 {
		n = int(binary.BigEndian.Uint16(w.rest))
	} else {
		n = int(binary.BigEndian.Uint32(w.rest))
	}
	w.rest = w.rest[size:]
	return n
}
