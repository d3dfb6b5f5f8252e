package client

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/twmb/franz-go/pkg/kfake"
	"software.sslmate.com/src/go-pkcs12"
)

// jks writes a Java key store with one trusted certificate, or with a key.
func jks(t testing.TB, password, keyPassword string, cert *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	ks := keystore.New()
	c := keystore.Certificate{Type: "X509", Content: cert.Raw}
	var err error
	if key == nil {
		err = ks.SetTrustedCertificateEntry("ca", keystore.TrustedCertificateEntry{CreationTime: time.Now(),
			Certificate: c})
	} else {
		err = ks.SetPrivateKeyEntry("own", keystore.PrivateKeyEntry{CreationTime: time.Now(),
			PrivateKey:       pkcs8(t, key),
			CertificateChain: []keystore.Certificate{c}}, []byte(keyPassword))
	}
	var b bytes.Buffer
	if err == nil {
		err = ks.Store(&b, []byte(password))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func p12Trust(t testing.TB, enc *pkcs12.Encoder, password string, cert *x509.Certificate) []byte {
	t.Helper()
	b, err := enc.EncodeTrustStore([]*x509.Certificate{cert}, password)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A store in any of its forms lets us connect to a broker whose certificate it vouches for.
func TestTrustStores(t *testing.T) {
	a := newAuthority(t)
	k := cluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{a.server(t, "127.0.0.1")}}))
	text := certPEM(a.cert)
	oneLine := strings.ReplaceAll(text, "\n", " ")
	escaped := strings.ReplaceAll(text, "\n", `\n`)
	jksFile := writeFile(t, "trust.jks", jks(t, "changeit", "", a.cert, nil))
	p12File := writeFile(t, "trust.p12", p12Trust(t, pkcs12.Modern2023, "changeit", a.cert))
	bare := writeFile(t, "bare.p12", p12Trust(t, pkcs12.Passwordless, "", a.cert))
	tests := []struct {
		name   string
		params []string
		warn   string
	}{
		{"JKS", []string{"ssl.truststore.location", jksFile, "ssl.truststore.password", "changeit"}, ""},
		{"JKS without password", []string{"ssl.truststore.location", jksFile}, ""},
		{"PKCS12", []string{"ssl.truststore.location", p12File, "ssl.truststore.password", "changeit",
			"ssl.truststore.type", "PKCS12"}, ""},
		{"PKCS12 by content", []string{"ssl.truststore.location", p12File, "ssl.truststore.password",
			"changeit"}, ""},
		{"PKCS12 said to be JKS", []string{"ssl.truststore.location", p12File, "ssl.truststore.password",
			"changeit",
			"ssl.truststore.type", "JKS"}, "is a PKCS12 store, not JKS"},
		{"PKCS12 without password", []string{"ssl.truststore.location", bare}, ""},
		{"PEM", []string{"ssl.truststore.location", writeFile(t, "ca.pem", []byte(text)),
			"ssl.truststore.type", "PEM"}, ""},
		{"PEM by content", []string{"ssl.truststore.location", writeFile(t, "ca", []byte(text))},
			"is a PEM store"},
		{"PEM inline", []string{"ssl.truststore.certificates", text, "ssl.truststore.type", "PEM"}, ""},
		{"PEM on one line", []string{"ssl.truststore.certificates", oneLine}, ""},
		{"PEM with \\n", []string{"ssl.truststore.certificates", escaped}, ""},
		{"DER", []string{"ssl.truststore.location", writeFile(t, "ca.der", a.cert.Raw)}, ""},
		{"from a file", []string{"ssl.truststore.certificates", "${file:" + writeFile(t, "c",
			[]byte(text)) + "}"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, to(k, append(tt.params, "security.protocol", "SSL")...))
			w := strings.Join(c.Warnings(), "\n")
			if !strings.Contains(w, tt.warn) || (w != "") != (tt.warn != "") {
				t.Errorf("warnings %q, want %q", w, tt.warn)
			}
		})
	}
}

func TestStoreErrors(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.client(t)
	_, other := a.client(t)
	location := func(b []byte) string { return writeFile(t, "store", b) }
	jksTrust := jks(t, "changeit", "", a.cert, nil)
	pemKey := keyPEM(t, key)
	tests := []struct {
		name   string
		params []string
		want   string
	}{
		{"absent", []string{"ssl.truststore.location", "/nowhere/x"}, "no such file"},
		{"no store", []string{"ssl.truststore.location", location([]byte("hello"))}, "neither a JKS nor"},
		{"empty", []string{"ssl.truststore.location", location(nil)}, "neither a JKS nor"},
		{"JCEKS", []string{"ssl.keystore.location", "testdata/key.jceks"}, "keytool -importkeystore"},
		{"JKS password", []string{"ssl.truststore.location", location(jksTrust), "ssl.truststore.password",
			"x"},
			"ssl.truststore.password: the password is wrong"},
		{"JKS cut", []string{"ssl.truststore.location", location(jksTrust[:len(jksTrust)-30])}, "cut short"},
		{"JKS key password", []string{"ssl.keystore.location", "testdata/key.jks", "ssl.keystore.password",
			"changeit"},
			"ssl.key.password"},
		{"JKS without key", []string{"ssl.keystore.location", location(jksTrust)}, "no private key"},
		{"PKCS12 password", []string{"ssl.truststore.location", "testdata/trust.p12",
			"ssl.truststore.password", "x"},
			"ssl.truststore.password: the password is wrong"},
		{"PKCS12 no password", []string{"ssl.keystore.location", "testdata/key.p12"}, "ssl.keystore.password"},
		{"PEM damaged", []string{"ssl.truststore.certificates",
			"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"},
			"damaged"},
		{"PEM without certificate", []string{"ssl.truststore.certificates", pemKey}, "no trusted certificate"},
		{"PEM nothing", []string{"ssl.truststore.certificates", "x"}, "no PEM block"},
		{"PEM key does not fit", []string{"ssl.keystore.key", keyPEM(t, other),
			"ssl.keystore.certificate.chain", certPEM(cert)},
			"do not match"},
		{"PEM without key", []string{"ssl.keystore.location", location([]byte(certPEM(cert)))},
			"no private key"},
		{"PEM both places", []string{"ssl.truststore.certificates", "x", "ssl.truststore.location", "y"},
			"keep one"},
		{"PEM said to be JKS", []string{"ssl.truststore.certificates", "x", "ssl.truststore.type", "JKS"},
			"must be PEM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Parse(with(append(tt.params, "security.protocol", "SSL")...), Consumer)
			if err == nil {
				_, err = Options(cfg)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "ssl.") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestBrokerCertificates(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	expired := pair(issue(t, a, &x509.Certificate{DNSNames: []string{"x"},
		NotBefore: time.Now().Add(-2 * time.Hour),
		NotAfter:  time.Now().Add(-time.Hour)}))
	other := a.server(t, "kafka.example")
	start := func(c tls.Certificate) *kfake.Cluster {
		return cluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{c}}))
	}
	trust := func(a *authority) []string {
		return []string{"security.protocol", "SSL", "ssl.truststore.certificates", certPEM(a.cert)}
	}
	off := []string{"ssl.endpoint.identification.algorithm", ""}
	k := start(other)
	addr := k.ListenAddrs()[0]
	wantError(t, openErr(t, to(k, trust(a)...)), HostMismatch, addr, "127.0.0.1", "endpoint.identification")
	wantError(t, openErr(t, to(k, trust(stranger)...)), CertificateUnknown, addr, "ssl.truststore")
	wantError(t, openErr(t, to(k, "security.protocol", "SSL")), CertificateUnknown, "only the system's")
	wantError(t, openErr(t, to(start(expired), trust(a)...)), CertificateInvalid, "expired")
	// Without the check of names the chain is verified all the same.
	if c := open(t, to(k, append(trust(a), off...)...)); len(c.Warnings()) != 1 {
		t.Errorf("warnings %q", c.Warnings())
	}
	wantError(t, openErr(t, to(k, append(trust(stranger), off...)...)), CertificateUnknown)
	wantError(t, openErr(t, to(start(expired), append(trust(a), off...)...)), CertificateInvalid)
}

func TestClientCertificates(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.client(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		k := cluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{a.server(t, "127.0.0.1")},
			MaxVersion: version,
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool()}))
		base := []string{"security.protocol", "SSL", "ssl.truststore.certificates", certPEM(a.cert)}
		p12, err := pkcs12.Modern2023.Encode(key, cert, []*x509.Certificate{a.cert}, "changeit")
		if err != nil {
			t.Fatal(err)
		}
		for name, params := range map[string][]string{
			"PEM inline": {"ssl.keystore.key", keyPEM(t, key), "ssl.keystore.certificate.chain",
				certPEM(cert, a.cert)},
			"PEM file": {"ssl.keystore.location", writeFile(t, "k.pem", []byte(certPEM(cert)+keyPEM(t,
				key))), "ssl.keystore.type", "PEM"},
			"JKS": {"ssl.keystore.location", writeFile(t, "k.jks", jks(t, "changeit", "keypass", cert, key)),
				"ssl.keystore.password", "changeit", "ssl.key.password", "keypass"},
			"PKCS12": {"ssl.keystore.location", writeFile(t, "k.p12", p12), "ssl.keystore.password",
				"changeit"},
		} {
			t.Run(name, func(t *testing.T) { open(t, to(k, append(params, base...)...)) })
		}
		wantError(t, openErr(t, to(k, base...)), CertificateRequired, "ssl.keystore.location",
			k.ListenAddrs()[0])
		c, s := stranger.client(t)
		wantError(t, openErr(t, to(k, append([]string{"ssl.keystore.key", keyPEM(t, s),
			"ssl.keystore.certificate.chain",
			certPEM(c)}, base...)...)), CertificateRequired, "does not accept")
	}
}

// Stores as Java's keytool writes them.
func TestKeytoolStores(t *testing.T) {
	for name, set := range map[string]tlsSettings{
		"JKS":    {trust: storeSettings{location: "testdata/trust.jks", password: "changeit"}},
		"PKCS12": {trust: storeSettings{location: "testdata/trust.p12", password: "changeit"}},
		"a PKCS12 key store": {trust: storeSettings{location: "testdata/key.p12", password: "changeit"},
			key: storeSettings{location: "testdata/key.p12", password: "changeit"}},
		"a JKS key store": {trust: storeSettings{location: "testdata/key.jks"},
			key: storeSettings{location: "testdata/key.jks", password: "changeit"}, keyPassword: "keypass"},
	} {
		m, _, err := set.load()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if m.roots == nil || (m.cert == nil) != set.key.empty() {
			t.Errorf("%s: roots %v, certificate %v", name, m.roots != nil, m.cert != nil)
		}
	}
}

// Keys as OpenSSL encrypts them.
func TestEncryptedKeys(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/" + name + ".pem")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	plain, _, err := pemKeyPair(read("plain-key"), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"aes256-key", "aes128-sha1-key", "des3-sha512-key"} {
		key, _, err := pemKeyPair(read(name), "keypass")
		if err != nil || !plain.(interface{ Equal(crypto.PrivateKey) bool }).Equal(key) {
			t.Errorf("%s: %v", name, err)
		}
		for _, wrong := range []secret{"", "wrong"} {
			if _, _, err := pemKeyPair(read(name), wrong); err == nil || !strings.Contains(err.Error(),
				"ssl.key.password") {
				t.Errorf("%s with password %q: %v", name, wrong.reveal(), err)
			}
		}
	}
	for _, name := range []string{"pbes1-key", "scrypt-key", "traditional-key"} {
		if _, _, err := pemKeyPair(read(name), "keypass"); err == nil || !strings.Contains(err.Error(),
			"openssl pkcs8 -topk8") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChainIsPutInOrder(t *testing.T) {
	root := newAuthority(t)
	middle := &authority{}
	middle.cert, middle.key = issue(t, root, &x509.Certificate{Subject: pkix.Name{CommonName: "middle"},
		IsCA:                  true,
		BasicConstraintsValid: true})
	leaf, key := middle.client(t)
	cert, err := assemble(key, []*x509.Certificate{root.cert, leaf, middle.cert})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{leaf.Raw, middle.cert.Raw, root.cert.Raw}
	if !slices.EqualFunc(cert.Certificate, want, bytes.Equal) {
		t.Error("the chain is not leaf, middle, root")
	}
}

func TestTLSVersionsAndSuites(t *testing.T) {
	tests := []struct {
		version   string
		versions  []string
		low, high uint16
	}{
		{"", nil, tls.VersionTLS12, tls.VersionTLS13},
		{"TLS", []string{"TLSv1.2"}, tls.VersionTLS12, tls.VersionTLS12},
		{"TLSv1.3", []string{"TLSv1.1", "TLSv1.2", "TLSv1"}, tls.VersionTLS10, tls.VersionTLS12},
		{"TLSv1.2", nil, tls.VersionTLS12, tls.VersionTLS12},
		{"TLSv1.1", []string{"TLSv1.2"}, tls.VersionTLS11, tls.VersionTLS11},
	}
	for _, tt := range tests {
		s := tlsSettings{version: tt.version, versions: tt.versions}
		if low, high, err := s.versionRange(); low != tt.low || high != tt.high || err != nil {
			t.Errorf("%q %q: %x to %x, %v", tt.version, tt.versions, low, high, err)
		}
	}
	s := tlsSettings{ciphers: []string{"TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"SSL_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"}}
	want := []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}
	if got, err := s.suites(); err != nil || !slices.Equal(got, want) {
		t.Errorf("suites %x, %v", got, err)
	}
}

func TestCommonName(t *testing.T) {
	tests := []struct {
		name, host string
		alt        []string
		want       bool
	}{
		{"broker.example", "broker.example", nil, true},
		{"Broker.Example", "broker.example.", nil, true},
		{"*.example.com", "b1.example.com", nil, true},
		{"*.example.com", "a.b1.example.com", nil, false},
		{"*.com", "example.com", nil, false},
		{"*", "broker", nil, false},
		{"broker.example", "other", nil, false},
		{"broker.example", "broker.example", []string{"x"}, false},
		{"10.0.0.1", "10.0.0.1", nil, false},
		{"", "", nil, false},
	}
	for _, tt := range tests {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: tt.name}, DNSNames: tt.alt}
		if got := commonNameFits(cert, tt.host); got != tt.want {
			t.Errorf("%q for %q: %v", tt.name, tt.host, got)
		}
	}
	// The check itself uses it.
	a := newAuthority(t)
	cert, _ := issue(t, a, &x509.Certificate{Subject: pkix.Name{CommonName: "broker"}})
	m := &tlsMaker{roots: a.pool(), checkHost: true}
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	if err := m.verify(state, "broker"); err != nil {
		t.Error(err)
	}
	if err := m.verify(state, "other"); !isError[x509.HostnameError](err) {
		t.Errorf("got %v", err)
	}
	if err := m.verify(tls.ConnectionState{}, "broker"); err == nil {
		t.Error("no certificate was accepted")
	}
}

func FuzzJKS(f *testing.F) {
	for _, name := range []string{"key.jks", "trust.jks"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = jksTrusted(b, "")
		_, _, _ = jksKeyPair(b, "", "keypass")
	})
}

func FuzzPEM(f *testing.F) {
	for _, name := range []string{"aes256-key.pem", "cert.pem", "traditional-key.pem"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { _, _, _ = pemKeyPair(b, "") })
}

func FuzzEncryptedKey(f *testing.F) {
	b, err := os.ReadFile("testdata/aes256-key.pem")
	if err != nil {
		f.Fatal(err)
	}
	block, _ := pem.Decode(b)
	f.Add(block.Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4096 && !bytes.Contains(b, []byte{2, 3}) && !bytes.Contains(b, []byte{2, 4}) {
			_, _ = decryptKey(b, "x") // a number of rounds of three bytes and more only costs time
		}
	})
}
