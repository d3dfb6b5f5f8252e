package realkafka

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// Listener is one of the ways into a broker.
type Listener string

// The listeners. PlaintextListener is always there, TLS and SASL add the others.
const (
	PlaintextListener Listener = "PLAINTEXT"
	TLSListener       Listener = "TLS"     // no client certificate needed
	MTLSListener      Listener = "MTLS"    // client certificate required (but 0.10.2 does not insist on it)
	SASLListener      Listener = "SASL"    // SASL without TLS
	SASLTLSListener   Listener = "SASLTLS" // SASL over TLS
)

// The users that SASL makes. CKafkaUser has the form that Tencent's CKafka demands: instance, #, name.
const (
	AdminUser  = "admin"
	AliceUser  = "alice"
	CKafkaUser = "ckafka-ab12cd#alice"
)

// CertUser is who comes in by MTLSListener with CertDir's client certificate.
const CertUser = "CN=client,O=realkafka"

// StorePassword is the password of every PKCS12 and JKS file in CertDir.
const StorePassword = "changeit"

// Password returns the password of one of SASL's users.
func Password(user string) string {
	switch user {
	case AdminUser:
		return "admin-secret"
	case AliceUser:
		return "alice-secret"
	case CKafkaUser:
		return "ckafka-secret"
	}
	return ""
}

// Bootstrap returns the addresses of a listener on all brokers, comma-separated, as bootstrap.servers takes
// them. Brokers that are down are among them.
func (c *Cluster) Bootstrap(l Listener) string {
	c.t.Helper()
	addrs := make([]string, c.shape.nodes)
	for i := range addrs {
		addrs[i] = c.Addr(i+1, l)
	}
	return strings.Join(addrs, ",")
}

// Addr returns the address of a listener on one broker, counted from 1, which is also its Kafka node id.
func (c *Cluster) Addr(node int, l Listener) string {
	c.t.Helper()
	offset, ok := c.listeners()[l]
	if !ok {
		c.t.Fatalf("realkafka: %s has no listener %s: start it with TLS() or SASL(), or it is too old", c.version, l)
	}
	if node < 1 || node > c.shape.nodes {
		c.t.Fatalf("realkafka: there is no node %d: nodes are 1 to %d", node, c.shape.nodes)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port+10*(node-1)+offset))
}

// listeners returns the listeners that this cluster has, with their distance from a node's first port.
func (c *Cluster) listeners() map[Listener]int {
	m := map[Listener]int{PlaintextListener: 0}
	if c.shape.tls {
		m[TLSListener] = 2
		if atLeast(c.version, "0.10.2") {
			m[MTLSListener] = 3
		}
	}
	if c.shape.sasl {
		m[SASLListener] = 4
	}
	if c.shape.tls && c.shape.sasl {
		m[SASLTLSListener] = 5
	}
	return m
}

// CertDir returns the folder of the certificates that TLS makes: ca.pem signs all; client.pem and client.key
// are a client's; trust.p12 and trust.jks hold the CA, client.p12 and client.jks the client's pair, under
// StorePassword.
func (c *Cluster) CertDir() string {
	c.t.Helper()
	if !c.shape.tls {
		c.t.Fatal("realkafka: there are no certificates: start the cluster with TLS()")
	}
	return filepath.Join(c.dir, "certs")
}

// TLSConfig returns a configuration that trusts the brokers, with the client's certificate for MTLSListener.
func (c *Cluster) TLSConfig(l Listener) *tls.Config {
	c.t.Helper()
	dir := c.CertDir()
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		c.t.Fatalf("realkafka: %v", err)
	}
	conf := &tls.Config{RootCAs: x509.NewCertPool()}
	conf.RootCAs.AppendCertsFromPEM(pem)
	if l == MTLSListener {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
		if err != nil {
			c.t.Fatalf("realkafka: %v", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf
}

// ClientOpts returns what a franz-go client needs to come in by a listener: addresses, TLS, SASL PLAIN as user
// ("" where the listener asks for none), and the protocol versions that brokers before 0.10 must be told.
func (c *Cluster) ClientOpts(l Listener, user string) []kgo.Opt {
	c.t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(strings.Split(c.Bootstrap(l), ",")...)}
	if v := maxVersions(c.version); v != nil {
		opts = append(opts, kgo.MaxVersions(v))
	}
	if l == TLSListener || l == MTLSListener || l == SASLTLSListener {
		opts = append(opts, kgo.DialTLSConfig(c.TLSConfig(l)))
	}
	if user != "" {
		opts = append(opts, kgo.SASL(plain.Auth{User: user, Pass: Password(user)}.AsMechanism()))
	}
	return opts
}
