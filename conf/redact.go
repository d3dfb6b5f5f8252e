package conf

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// redacted stands where a secret was.
const redacted = "(redacted)"

// secretWords in a name make the whole value secret.
var secretWords = []string{"password", "passwd", "passphrase", "secret", "token", "credential", "jaas"}

// assignment finds a secret inside a longer value: -Djavax.net.ssl.trustStorePassword=x among JVM
// options, password="x" in a JAAS line, ;token=x in a Spark Connect URL.
var assignment = regexp.MustCompile(
	`(?i)([\w.-]*(?:password|passwd|passphrase|secret|token|credential|(?:access|api|private)[._-]?key)` +
		`[\w.-]*\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s;,&]+)`)

// userinfo finds user:password@ in a URL.
var userinfo = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)

// Redacted returns the value of a setting in a form that may be shown: "(redacted)" if the name looks
// secret (password, secret, token, key, credential and the like) or spark.redaction.regex finds it in
// the name or the value, and otherwise the value with passwords in URLs and options replaced. It is
// empty if the setting has no value.
func (c *Conf) Redacted(name string) string {
	e, ok := c.entry(name)
	if !ok {
		return ""
	}
	return c.show(name, e.value)
}

// show is what may be shown of a value of the name.
func (c *Conf) show(name, value string) string {
	if value == "" {
		return ""
	}
	if secretName(name) || c.redactedByUser(name, value) {
		return redacted
	}
	return redactParts(value)
}

// redactedByUser applies spark.redaction.regex, which Spark's users extend with names of their own.
func (c *Conf) redactedByUser(name, value string) bool {
	e, ok := c.entry(redactionRegex)
	text := strings.TrimSpace(e.value)
	if !ok || text == "" || name == redactionRegex {
		return false
	}
	re, err := regexp.Compile(text)
	if err != nil {
		// Validate refuses such an expression. Until then nothing may be shown, for nobody can
		// say what it was to hide.
		return true
	}
	return re.MatchString(name) || re.MatchString(value)
}

// redactParts replaces the secrets inside a value whose name is not secret.
func redactParts(value string) string {
	value = assignment.ReplaceAllString(value, "${1}"+redacted)
	value = userinfo.ReplaceAllString(value, "${1}"+redacted+"@")
	// An escaped name would slip past the expressions above: ;%74oken=x.
	if plain, err := url.PathUnescape(value); err == nil && plain != value && assignment.MatchString(plain) {
		return redacted
	}
	return value
}

// secretName says whether a name looks like a secret's. "key" counts as a word of its own or at the
// end of one (fs.s3a.access.key, apiKey, accesskey), but not in "sessionByKey".
func secretName(name string) bool {
	lower := strings.ToLower(name)
	for _, w := range secretWords {
		if strings.Contains(lower, w) {
			return true
		}
	}
	previous := ""
	for _, w := range words(name) {
		if (strings.HasSuffix(w, "key") || strings.HasSuffix(w, "keys")) && previous != "by" {
			return true
		}
		previous = w
	}
	return false
}

// words splits a name at dots, dashes and inner capitals into lower-case words.
func words(name string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	lastLower := false
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			lastLower = false
			continue
		}
		if unicode.IsUpper(r) && lastLower {
			flush()
		}
		word = append(word, r)
		lastLower = !unicode.IsUpper(r)
	}
	flush()
	return out
}
