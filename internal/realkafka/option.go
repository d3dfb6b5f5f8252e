package realkafka

import "strconv"

// Option changes how Start makes a cluster.
type Option func(*shape)

// shape is what a cluster looks like from outside: it decides which listeners there are.
type shape struct {
	nodes           int
	tls, sasl, acl  bool
	brokerOverrides []string
}

// Nodes starts n brokers (1 to 5) in place of one. Internal topics get replication factor min(n, 3).
func Nodes(n int) Option { return func(s *shape) { s.nodes = n } }

// TLS adds TLSListener and, from 0.10.2 on, MTLSListener. The first release with TLS is 0.9.
func TLS() Option { return func(s *shape) { s.tls = true } }

// SASL adds SASLListener and, together with TLS, SASLTLSListener. Its users are AdminUser, AliceUser and
// CKafkaUser, by PLAIN (0.10 and later), SCRAM-SHA-256 and SCRAM-SHA-512 (0.10.2 and later).
func SASL() Option { return func(s *shape) { s.sasl = true } }

// ACL switches the brokers' authorizer on, and implies SASL. Clients without a principal (plaintext, or TLS
// without a certificate) and AdminUser may do everything; other users nothing but what GrantRead gives them.
func ACL() Option { return func(s *shape) { s.sasl, s.acl = true, true } }

// Set sets a property of every broker, e.g. Set("message.max.bytes", "13000000"). It overrides the harness's own.
func Set(key, value string) Option {
	return func(s *shape) { s.brokerOverrides = append(s.brokerOverrides, key+"="+value) }
}

// args returns the shape as options of kafka.sh.
func (s *shape) args() []string {
	args := []string{"--nodes", strconv.Itoa(s.nodes)}
	if s.tls {
		args = append(args, "--tls")
	}
	if s.sasl {
		args = append(args, "--sasl")
	}
	if s.acl {
		args = append(args, "--acl")
	}
	for _, kv := range s.brokerOverrides {
		args = append(args, "--set", kv)
	}
	return args
}
