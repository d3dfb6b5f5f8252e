// Package reference resolves values that are kept elsewhere: passwords in files and in the environment, for connectors
// whose settings hold secrets.
package reference

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// form is Kafka's own form of a value that is kept elsewhere: ${provider:key} or
// ${provider:path:key}.
var form = regexp.MustCompile(`\$\{([^}:]*):(?:([^}:]*):)?([^}]*)\}`)

// fileLimit bounds a file that a value refers to. Secrets and key stores are small; a path that
// leads to a device or a log must not fill the memory.
const fileLimit = 1 << 20

// Has says whether a value refers to anything.
func Has(text string) bool { return form.MatchString(text) }

// Whole says whether a value is one reference and nothing else.
func Whole(text string) bool {
	loc := form.FindStringIndex(text)
	return loc != nil && loc[0] == 0 && loc[1] == len(text)
}

// NeedsFiles says whether a value refers to a file.
func NeedsFiles(text string) bool {
	for _, m := range form.FindAllStringSubmatch(text, -1) {
		if m[1] == "file" {
			return true
		}
	}
	return false
}

// Expand resolves the references in a value: ${env:NAME}, ${file:PATH} for a whole file without the
// space around it, and ${file:PATH:KEY} for one key of a properties file. Errors name what was to be
// read, never what was.
func Expand(text string) (string, error) {
	return ExpandInto(text, func(_, value, _ string) string { return value })
}

// ExpandInto is Expand that puts into the text what escape makes of a value, with the texts before and behind its
// reference.
func ExpandInto(text string, escape func(before, value, behind string) string) (string, error) {
	var errs []error
	var out strings.Builder
	end := 0
	for _, at := range form.FindAllStringIndex(text, -1) {
		ref := text[at[0]:at[1]]
		m := form.FindStringSubmatch(ref)
		v, err := resolve(m[1], m[2], m[3])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", ref, err))
		}
		out.WriteString(text[end:at[0]])
		out.WriteString(escape(text[:at[0]], v, text[at[1]:]))
		end = at[1]
	}
	out.WriteString(text[end:])
	return out.String(), errors.Join(errs...)
}

func resolve(provider, path, key string) (string, error) {
	switch provider {
	case "env":
		// The environment is no file: it is read by Parse, too.
		if path != "" {
			return "", errors.New("write ${env:NAME}")
		}
		v, ok := os.LookupEnv(key)
		if !ok {
			return "", fmt.Errorf("the environment has no variable %s: set it before the start", key)
		}
		return strings.TrimSpace(v), nil
	case "file":
		// With one part the whole file is meant, which is how secrets are mounted; with two, as in Kafka, a
		// properties file and a key.
		if path == "" {
			b, err := ReadSmall(key)
			return strings.TrimSpace(string(b)), err
		}
		b, err := ReadSmall(path)
		if err != nil {
			return "", err
		}
		v, ok := Property(string(b), key)
		if !ok {
			return "", fmt.Errorf("the file has no key %s", key)
		}
		return v, nil
	}
	return "", errors.New("only ${file:PATH}, ${file:PATH:KEY} and ${env:NAME} are understood")
}

// ReadSmall reads a file of a size that secrets and stores have.
func ReadSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, err
	}
	if len(b) > fileLimit {
		return nil, fmt.Errorf("%s is larger than %d bytes; it cannot be what is meant", path, fileLimit)
	}
	return b, nil
}

// Property finds a key in the text of a Java properties file. As in Java, the last one counts.
func Property(text, key string) (string, bool) {
	value, found := "", false
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		// A backslash at the end joins the next line to this one, without the space that begins it.
		for continues(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		if k, v := splitProperty(line); k == key {
			value, found = v, true
		}
	}
	return value, found
}

// continues says whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// splitProperty cuts a logical line at the first =, : or space that no backslash precedes.
func splitProperty(line string) (key, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	return unescape(line[:end]), unescape(rest)
}

// unescape undoes the escapes of a properties file.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		// A lone backslash at the end stands for nothing, as in Java.
		if s[i] != '\\' || i+1 == len(s) {
			if s[i] != '\\' {
				b.WriteByte(s[i])
			}
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+5 <= len(s) {
				if n, err := strconv.ParseUint(s[i+1:i+5], 16, 32); err == nil {
					b.WriteRune(rune(n))
					i += 4
					continue
				}
			}
			b.WriteByte('u')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
