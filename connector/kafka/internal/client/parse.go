package client

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstream/weir/internal/reference"
)

// A ParamError is one parameter that cannot be used. Name is as the user wrote it; Problem says what
// is wrong and what to do. Neither holds a secret.
type ParamError struct{ Name, Problem string }

// Error implements error.
func (e *ParamError) Error() string { return fmt.Sprintf("Kafka parameter %s: %s", e.Name, e.Problem) }

// row finds a name in the table, or nil. A program has some twenty parameters, so it looks through.
func row(name string) *param {
	for _, group := range params {
		for i := range group {
			if group[i].name == name {
				return &group[i]
			}
		}
	}
	return nil
}

// Parse checks parameters by their Java names and returns what they say, for a client of one role.
// Values are as a properties file has them; they may hold ${env:NAME}, ${file:PATH} and
// ${file:PATH:KEY}. Parse does no I/O: references to files are resolved, and what they hold is
// checked, by Resolve and Open. The error joins one *ParamError for each parameter that is unknown,
// malformed or harmful, in order of their names.
func Parse(params map[string]string, role Role) (*Config, error) {
	c := defaults(role)
	var errs []error
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		v := newValue(name, params[name])
		problem := c.admit(v, seen)
		if problem != "" {
			errs = append(errs, &ParamError{name, problem})
			continue
		}
		c.values = append(c.values, v)
		if v.param == nil { // Another client reads it, and what it refers to.
			continue
		}
		// References inside of a JAAS text belong to its options and are left to them.
		if reference.NeedsFiles(v.given) && !(v.param.name == jaasName && !reference.Whole(v.given)) {
			c.pending = append(c.pending, v)
		} else if err := c.apply(v); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, c.addressed()...)
	if len(c.pending) == 0 {
		errs = c.finish(errs)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

const jaasName = "sasl.jaas.config"

// admit finds the row that speaks for a parameter and records one that does nothing. It returns what
// is wrong with the name, or "".
func (c *Config) admit(v value, seen map[string]string) string {
	p := v.param
	switch {
	case p == nil && registryReason(v.name) != "":
		c.ignored = append(c.ignored, ignored{v.name, registryReason(v.name)})
		return ""
	case p == nil && strings.HasPrefix(v.name, "config.providers."):
		c.ignored = append(c.ignored, ignored{v.name, builtin})
		return ""
	case p == nil:
		if near, ok := nearestRegistry(v.name); ok {
			return "is not known; did you mean " + near + "?"
		}
		return "is not known" + nearest(v.name, c.Role)
	}
	name := v.name
	if p.now != "" {
		name = p.now
		p = row(p.now)
	}
	// The new name and the old one, or two old ones: which should count?
	if other, ok := seen[name]; ok {
		return fmt.Sprintf("means the same as %s, which is set, too: keep one of them", other)
	}
	seen[name] = v.name
	// Programs share one set of properties between readers and writers, and Java only warns.
	if p.roles&c.Role == 0 {
		c.ignored = append(c.ignored, ignored{v.name, fmt.Sprintf("only a %s reads it", owner(p.roles))})
		return ""
	}
	if p.why != "" {
		c.ignored = append(c.ignored, ignored{v.name, p.why})
	}
	return ""
}

// owner names the role of a row that is not for the role at hand.
func owner(roles Role) string {
	var names []string
	for _, r := range []Role{Consumer, Producer, Admin} {
		if roles&r != 0 {
			names = append(names, r.String())
		}
	}
	return strings.Join(names, " or ")
}

// apply puts a value where it belongs. The error is a *ParamError.
func (c *Config) apply(v value) error {
	text := strings.TrimSpace(v.given)
	if v.name != jaasName || reference.Whole(text) {
		var err error
		if text, err = reference.Expand(text); err != nil {
			return &ParamError{v.name, err.Error()}
		}
	}
	if err := c.set(v.param, text); err != nil {
		if v.secret {
			return &ParamError{v.name, err.Error()}
		}
		return &ParamError{v.name, fmt.Sprintf("%q %v", v.show(), err)}
	}
	return nil
}

// set applies a row to a value. The error does not repeat the value.
func (c *Config) set(p *param, text string) error {
	if p.now != "" {
		if t, ok := p.old[text]; ok {
			text = t
		}
		p = row(p.now)
	}
	// An empty value is how Java programs switch a class or a list off, whatever its type.
	allowed := slices.ContainsFunc(p.allow, func(a string) bool { return strings.EqualFold(a, text) })
	if err := checkKind(p.kind, text); err != nil && !(allowed && text == "") {
		return err
	}
	switch {
	case p.roles&c.Role == 0:
		return nil
	case p.refuse != "" && !allowed:
		return errors.New("is refused: " + p.refuse)
	case p.set == nil && len(p.allow) > 0 && !allowed:
		return errors.New("must be one of " + strings.Join(p.allow, ", "))
	case p.set != nil:
		return p.set(c, text)
	}
	return nil
}

// Resolve reads the files that parameters refer to and returns the Config with all of its values. c
// stays as it is, so that a file that has changed counts at the next call. The error joins a
// *ParamError for each parameter that cannot be read or whose content does not fit.
func (c *Config) Resolve() (*Config, error) {
	if len(c.pending) == 0 {
		return c, nil
	}
	r := *c
	r.pending = nil
	r.levels = maps.Clone(c.levels)
	r.Warnings = slices.Clone(c.Warnings)
	var errs []error
	for _, v := range c.pending {
		if err := r.apply(v); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(r.finish(errs)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// addressed makes sure that brokers are named, if only by a reference to a file.
func (c *Config) addressed() []error {
	if len(c.Bootstrap) > 0 || slices.ContainsFunc(c.values, func(v value) bool {
		return v.param != nil && (v.param.name == "bootstrap.servers" || v.param.now == "bootstrap.servers")
	}) {
		return nil
	}
	return []error{&ParamError{"bootstrap.servers",
		"is not set: give the address of at least one broker as host:port"}}
}

// finish checks what only all values together can show, and settles what depends on two of them. failed are the
// errors of single parameters, to which it adds; of a parameter that is wrong already nothing more is said.
func (c *Config) finish(failed []error) []error {
	wrong := map[string]bool{}
	for _, err := range failed {
		if e, ok := errors.AsType[*ParamError](err); ok {
			wrong[e.Name] = true
		}
	}
	for _, err := range c.contradictions() {
		if e, ok := errors.AsType[*ParamError](err); !ok || !wrong[e.Name] {
			failed = append(failed, err)
		}
	}
	return failed
}

func (c *Config) contradictions() []error {
	var errs []error
	fail := func(name, format string, args ...any) {
		errs = append(errs, &ParamError{name, fmt.Sprintf(format, args...)})
	}
	// As in Java, a first pause above the longest is the longest.
	if c.RetryBackoffMax < c.RetryBackoff {
		c.RetryBackoffMax = c.RetryBackoff
	}
	c.finishProduce(fail)
	errs = append(errs, c.tls.check(c)...)
	errs = append(errs, c.sasl.check(c)...)
	return errs
}

// finishProduce checks the producer's parameters against each other, with Java's rules where a wrong mix would
// lose or double records.
func (c *Config) finishProduce(fail func(name, format string, args ...any)) {
	p := &c.Produce
	if n, ok := c.levels[p.Compression]; ok {
		p.Level, p.HasLevel = n, true
	}
	switch {
	case p.Idempotent && p.InFlight > 5:
		fail("max.in.flight.requests.per.connection", "must be at most 5 with enable.idempotence, "+
			"because brokers remember five batches: lower it")
	case !p.Idempotent && p.TransactionalID != "":
		fail("enable.idempotence", "cannot be false with transactional.id, because a transaction rests on it: "+
			"remove one of them")
	case !p.Idempotent:
		c.warn("enable.idempotence=false: when a broker's answer is lost, records are written twice")
	}
	if p.MaxRequestBytes > 1<<30 {
		fail("max.request.size", "is larger than 1 GiB: no broker takes such a batch; lower it")
	}
	// Compared this way round, the longest durations do not overflow.
	if c.Role == Producer && p.Linger > p.DeliveryTimeout-c.RequestTimeout && c.given("delivery.timeout.ms") {
		fail("delivery.timeout.ms", "is shorter than linger.ms and request.timeout.ms together, "+
			"so that no record could be sent twice: raise it, or lower the others")
	}
}

// given says whether the user set a parameter.
func (c *Config) given(name string) bool {
	return slices.ContainsFunc(c.values, func(v value) bool { return v.name == name })
}
