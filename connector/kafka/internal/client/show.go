package client

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Show lists parameters in order of their names, for people: what is or may be a secret is hidden. A name that is not
// known may be a misspelt one of a secret.
func Show(params map[string]string) string {
	var b strings.Builder
	for _, v := range shown(params) {
		fmt.Fprintf(&b, " %s=%s", v.name, v.show())
	}
	return "Kafka parameters:" + b.String()
}

// ShowAttrs is Show for slog, one attribute a parameter.
func ShowAttrs(params map[string]string) slog.Value {
	var attrs []slog.Attr
	for _, v := range shown(params) {
		attrs = append(attrs, slog.String(v.name, v.show()))
	}
	return slog.GroupValue(attrs...)
}

func shown(params map[string]string) []value {
	var out []value
	for _, name := range slices.Sorted(maps.Keys(params)) {
		v := newValue(name, params[name])
		v.secret = v.secret || v.param == nil && (registryReason(name) == "" || strings.HasPrefix(name, headerPrefix))
		out = append(out, v)
	}
	return out
}

// newValue is a parameter as it was given. A name that is not in the table hides its value when in doubt.
func newValue(name, given string) value {
	p := row(name)
	return value{name: name, given: given, param: p,
		secret: p != nil && p.kind == kPassword || isSecretName(name)}
}
