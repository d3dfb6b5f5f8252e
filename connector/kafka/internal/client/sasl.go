package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/weirstream/weir/internal/reference"
)

// mechanisms are the ways to sign in that are supported, in the order in which texts name them.
var mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"}

// saslSettings is what sasl.* says, unread.
type saslSettings struct {
	mechanism                   string
	jaas                        *loginModule
	tokenURL, scope, clientID   string
	clientSecret                secret
	urlEncode                   bool
	connectTimeout, readTimeout time.Duration
}

// setJAAS parses the value but leaves references inside of options as they are: a secret that a
// reference stands for is the option's value as it is, whatever quotes or backslashes are in it.
func setJAAS(c *Config, text string) error {
	m, err := parseJAAS(text)
	if err != nil {
		return err
	}
	c.sasl.jaas = m
	return nil
}

// modules are the login modules by the mechanism that they belong to.
var modules = map[string]string{
	"PLAIN":         "PlainLoginModule",
	"SCRAM-SHA-256": "ScramLoginModule",
	"SCRAM-SHA-512": "ScramLoginModule",
	"OAUTHBEARER":   "OAuthBearerLoginModule",
}

// check finds what is wrong without reading any file.
func (s *saslSettings) check(c *Config) []error {
	if !c.UsesSASL() {
		if s.jaas != nil || s.mechanism != "" {
			c.warn("the sasl.* parameters have no effect, because security.protocol is %s", c.tls.protocol)
		}
		return nil
	}
	// Kafka's default is the one mechanism that is not supported, so it has to be named.
	s.mechanism = strings.ToUpper(s.mechanism)
	supported := strings.Join(mechanisms, ", ")
	switch {
	case s.mechanism == "" && s.jaas != nil:
		return []error{&ParamError{"sasl.mechanism",
			"is not set, and Kafka's default, GSSAPI (Kerberos), is not " +
				"supported: set the one of " + supported + " that the login module " + s.jaas.short() + " is for"}}
	case s.mechanism == "" || s.mechanism == "GSSAPI":
		return []error{&ParamError{"sasl.mechanism", "GSSAPI (Kerberos, Kafka's default) is not supported: " +
			"let the brokers offer one of " + supported + " and set it"}}
	case !slices.Contains(mechanisms, s.mechanism):
		return []error{&ParamError{"sasl.mechanism", fmt.Sprintf("%q is not supported: set one of %s",
			s.mechanism, supported)}}
	}
	if err := s.checkModule(); err != nil {
		return []error{&ParamError{jaasName, err.Error()}}
	}
	if s.mechanism == "PLAIN" && !c.UsesTLS() {
		c.warn("sasl.mechanism=PLAIN with security.protocol=SASL_PLAINTEXT sends the password readable " +
			"over the network")
	}
	if s.mechanism == "OAUTHBEARER" && !c.UsesTLS() {
		c.warn("sasl.mechanism=OAUTHBEARER with security.protocol=SASL_PLAINTEXT sends the token readable " +
			"over the network: whoever reads it can sign in with it")
	}
	if s.mechanism == "OAUTHBEARER" && strings.HasPrefix(strings.ToLower(s.tokenURL), "http://") {
		c.warn("sasl.oauthbearer.token.endpoint.url begins with http://: the client's secret and the token go " +
			"readable over the network; use https://")
	}
	return nil
}

// checkModule looks at the login module and the options that its mechanism needs.
func (s *saslSettings) checkModule() error {
	want := modules[s.mechanism]
	if s.jaas == nil {
		// Since Kafka 4.1 all of it can be in parameters of its own.
		if s.mechanism == "OAUTHBEARER" && s.tokenURL != "" {
			return nil
		}
		return fmt.Errorf("is not set: sasl.mechanism=%s needs a %s with username and password "+
			"(OAUTHBEARER: clientId and clientSecret)", s.mechanism, want)
	}
	// Modules are known by their last part: shaded jars move them into packages of their own.
	if s.jaas.short() != want {
		return fmt.Errorf("has the login module %s, but sasl.mechanism=%s needs %s", s.jaas.short(),
			s.mechanism, want)
	}
	if s.mechanism == "OAUTHBEARER" {
		for name := range s.jaas.options {
			if strings.HasPrefix(name, "unsecuredLogin") {
				return errors.New("asks for an unsecured token, which is for trying things out: set " +
					"sasl.oauthbearer.token.endpoint.url")
			}
		}
		if s.tokenURL == "" {
			return errors.New("needs sasl.oauthbearer.token.endpoint.url: an http(s) address that gives tokens, " +
				"or file:///path of a file with one")
		}
		return nil
	}
	var missing []string
	for _, name := range []string{"username", "password"} {
		if s.jaas.options[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("has no %s in %s", strings.Join(missing, " and no "), s.jaas.short())
	}
	return nil
}

// load reads what options refer to and returns the mechanism to sign in with.
func (s *saslSettings) load() (sasl.Mechanism, error) {
	options := map[string]string{}
	if s.jaas != nil {
		var errs []error
		for name, v := range s.jaas.options {
			text, err := reference.Expand(v.reveal())
			if err != nil {
				errs = append(errs, &ParamError{jaasName, fmt.Sprintf("option %s: %v", name, err)})
			}
			options[name] = text
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
	}
	if s.mechanism == "OAUTHBEARER" {
		return newTokenSource(s, options)
	}
	// Checked again, because a file or a variable may be empty.
	user, pass := options["username"], options["password"]
	if user == "" || pass == "" {
		return nil, &ParamError{jaasName, "its username or its password is empty"}
	}
	if s.mechanism == "PLAIN" {
		return plain.Auth{User: user, Pass: pass}.AsMechanism(), nil
	}
	// Kafka's delegation tokens sign in by SCRAM and say so.
	auth := scram.Auth{User: user, Pass: pass, IsToken: strings.EqualFold(options["tokenauth"], "true")}
	if s.mechanism == "SCRAM-SHA-256" {
		return auth.AsSha256Mechanism(), nil
	}
	return auth.AsSha512Mechanism(), nil
}
