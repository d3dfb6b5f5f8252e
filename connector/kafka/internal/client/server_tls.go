package client

import (
	"crypto/tls"
	"errors"
	"maps"
	"slices"
	"strings"
)

// ServerTLS is how to speak TLS to a server that is no broker. options are Kafka's ssl.* for it; what has another name
// is passed over. They were given with prefix in front of their names, and are named like that. Host names are always
// checked: who lets the user switch that off does so himself. warnings are for the log.
func ServerTLS(prefix string, options map[string]string) (c *tls.Config, warnings []string, err error) {
	cfg := defaults(Admin)
	cfg.tls.protocol = "SSL"
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if !strings.HasPrefix(name, "ssl.") {
			continue
		}
		p := row(name)
		if p == nil {
			errs = append(errs, &ParamError{name, "is not known" + nearest(name, Admin)})
		} else if err := cfg.set(p, options[name]); err != nil {
			errs = append(errs, &ParamError{name, err.Error()})
		}
	}
	if errs = append(errs, cfg.tls.check(cfg)...); len(errs) > 0 {
		return nil, nil, prefixed(prefix, errs)
	}
	m, warnings, err := cfg.tls.load()
	if err != nil {
		return nil, nil, prefixed(prefix, []error{err})
	}
	for i, w := range warnings {
		warnings[i] = withPrefix(prefix, w)
	}
	c = m.base.Clone()
	c.RootCAs = m.roots
	if m.cert != nil {
		c.Certificates = []tls.Certificate{*m.cert}
	}
	return c, warnings, nil
}

// prefixed says what is wrong with options by the names under which they were given.
func prefixed(prefix string, errs []error) error {
	var texts []string
	for line := range strings.Lines(errors.Join(errs...).Error()) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "Kafka parameter ")
		texts = append(texts, withPrefix(prefix, line))
	}
	return errors.New(strings.Join(texts, "; "))
}

// withPrefix puts a prefix in front of the names of options in a text.
func withPrefix(prefix, text string) string {
	for _, name := range []string{"ssl.truststore.", "ssl.keystore.", "ssl.key.", "ssl.enabled."} {
		text = strings.ReplaceAll(text, name, prefix+name)
	}
	return text
}
