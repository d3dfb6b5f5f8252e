package client

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// issue makes a key and a certificate for it, signed by a, or by itself.
func issue(t testing.TB, a *authority, c *x509.Certificate) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<60)); err != nil {
		t.Fatal(err)
	}
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := c, crypto.Signer(key)
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) server(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	return pair(issue(t, a, c))
}

func (a *authority) client(t testing.TB) (*x509.Certificate, crypto.Signer) {
	return issue(t, a, &x509.Certificate{Subject: pkix.Name{CommonName: "client"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func pair(cert *x509.Certificate, key crypto.Signer) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func certPEM(certs ...*x509.Certificate) string {
	var b strings.Builder
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.String()
}

func keyPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8(t, key)}))
}

func pkcs8(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writeFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// cluster starts a fake cluster on loopback.
func cluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// to returns parameters for a cluster, and more.
func to(c *kfake.Cluster, more ...string) map[string]string {
	return with(append([]string{"bootstrap.servers", strings.Join(c.ListenAddrs(), ",")}, more...)...)
}

// open opens a client that is closed at the end of the test.
func open(t testing.TB, params map[string]string) *Client {
	t.Helper()
	cfg, err := Parse(params, Consumer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// virtual starts a fake cluster of one broker and a client in a bubble of virtual time.
func virtual(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *Client) {
	t.Helper()
	var network kfake.VirtualNetwork
	k := cluster(t, append(opts, kfake.ListenFn(network.Listen), kfake.Ports(9092))...)
	c, err := Open(t.Context(), mustParse(t, Consumer, to(k)), kgo.Dialer(network.DialContext))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return k, c
}

// openErr opens a client and returns why that fails.
func openErr(t testing.TB, params map[string]string) error {
	t.Helper()
	cfg, err := Parse(params, Consumer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(context.Background(), cfg)
	if err == nil {
		c.Close()
		t.Fatal("Open did not fail")
	}
	return err
}

// wantError checks an error's kind and that its text has all parts.
func wantError(t testing.TB, err error, kind Kind, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if got := KindOf(err); got != kind {
		t.Errorf("%v, want %v: %v", got, kind, err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q lacks %q", err, p)
		}
	}
}

// oldBroker speaks Kafka's protocol without the request that asks for versions, as brokers before 0.10
// do. It answers by answer, and ends the connection where that returns nil.
type oldBroker struct {
	addr   string
	answer func(kmsg.Request) kmsg.Response
	// swallow is a request that is neither answered nor taken amiss.
	swallow kmsg.Key

	mu   sync.Mutex
	seen []string
}

func startOldBroker(t testing.TB, answer func(kmsg.Request) kmsg.Response) *oldBroker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &oldBroker{addr: l.Addr().String(), answer: answer, swallow: -1}
	b.listen(t, l)
	return b
}

func (b *oldBroker) listen(t testing.TB, l net.Listener) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			wg.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

func (b *oldBroker) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(size[:])
		if n > 1<<20 {
			return
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		r := kbin.Reader{Src: body}
		key, version, id := r.Int16(), r.Int16(), r.Int32()
		r.NullableString()
		req := kmsg.RequestForKey(key)
		if req == nil {
			return
		}
		req.SetVersion(version)
		if err := req.ReadFrom(r.Src); err != nil {
			return
		}
		b.mu.Lock()
		b.seen = append(b.seen, kmsg.NameForKey(key))
		b.mu.Unlock()
		if key == int16(b.swallow) {
			continue
		}
		resp := b.answer(req)
		if resp == nil {
			return
		}
		out := kbin.AppendInt32(nil, id)
		out = resp.AppendTo(out)
		if _, err := conn.Write(append(kbin.AppendInt32(nil, int32(len(out))), out...)); err != nil {
			return
		}
	}
}

// requests are the names of the requests seen so far.
func (b *oldBroker) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.seen...)
}
