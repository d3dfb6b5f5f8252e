package conf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// largestFile bounds a properties file; real ones have a few kilobytes.
const largestFile = 16 << 20

// Load reads settings from Java properties, the form of spark-defaults.conf: a name and a value on
// each line, with "=", ":" or blanks between them; lines that begin with # or ! are comments; a
// backslash at the end of a line continues it; \t, \n, \r, \f and \u with four hexadecimal digits are
// escapes, and a backslash before any other character drops out. As in spark-submit the file is UTF-8,
// values lose blanks at both ends, and the last of two lines with one name counts. name is the file's
// name for errors.
//
// Only the form is checked, and everything wrong with it is returned at once, by line; what names and
// values mean is left to [Conf.Validate], which names the lines too.
func Load(r io.Reader, name string) (*Conf, error) {
	data, err := io.ReadAll(io.LimitReader(r, largestFile+1))
	if err != nil {
		return nil, fmt.Errorf("read properties %s: %w", name, err)
	}
	if len(data) > largestFile {
		return nil, fmt.Errorf("read properties %s: larger than %s, which no file of settings is",
			name, Bytes(largestFile))
	}
	c := New()
	var errs []error
	lines := &lineReader{rest: strings.TrimPrefix(string(data), "\ufeff")}
	for lines.next() {
		key, value, err := splitLine(lines.text)
		if err == nil && key == "" {
			err = errors.New("there is no name before the value")
		}
		place := name + ":" + strconv.Itoa(lines.first)
		if err != nil {
			// The line is not shown: it may hold a secret.
			errs = append(errs, &Error{Place: place, Name: key, Reason: err.Error()})
			continue
		}
		c.put(key, entry{value: strings.TrimFunc(value, blank), place: place, file: true})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// blank says what spark-submit drops at both ends of a value: control characters but line ends, which
// can only have been escaped, so that somebody wanted them.
func blank(r rune) bool { return r <= ' ' && r != '\r' && r != '\n' }

// LoadFile is [Load] of the file at path.
func LoadFile(path string) (*Conf, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read properties: %w", err)
	}
	defer f.Close() // Nothing was written, so there is nothing to lose.
	return Load(f, path)
}

// A lineReader joins the lines of a properties file into logical ones. Escapes are left alone.
type lineReader struct {
	rest string
	// number is that of the last line read, from 1.
	number int
	// text is the logical line, without blanks at its beginning; first is the line it begins on.
	text  string
	first int
}

// next reads the next logical line that is neither blank nor a comment.
func (l *lineReader) next() bool {
	for l.rest != "" {
		line := l.natural()
		l.first = l.number
		if line == "" || line == `\` || line[0] == '#' || line[0] == '!' {
			// A backslash alone continues nothing, so that a comment may follow it.
			continue
		}
		var b strings.Builder
		for continued(line) {
			b.WriteString(line[:len(line)-1])
			if l.rest == "" {
				line = ""
				break
			}
			// A continuing line may begin with #: it is no comment.
			line = l.natural()
		}
		b.WriteString(line)
		l.text = b.String()
		if l.text != "" {
			return true
		}
	}
	return false
}

// natural reads one line as it stands, without blanks at its beginning.
func (l *lineReader) natural() string {
	l.number++
	line := l.rest
	if i := strings.IndexAny(l.rest, "\r\n"); i >= 0 {
		line = l.rest[:i]
		rest := l.rest[i:]
		if strings.HasPrefix(rest, "\r\n") {
			rest = rest[1:]
		}
		l.rest = rest[1:]
	} else {
		l.rest = ""
	}
	return strings.TrimLeft(line, " \t\f")
}

// continued says whether a line ends in an odd number of backslashes, so that the last is not escaped.
func continued(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// splitLine takes a logical line apart and resolves the escapes of both parts.
func splitLine(line string) (key, value string, err error) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	if key, err = unescape(line[:end]); err != nil {
		return "", "", err
	}
	value, err = unescape(rest)
	return key, value, err
}

// unescape resolves backslashes.
func unescape(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("the line is not UTF-8")
	}
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for len(s) > 0 {
		plain, rest, ok := strings.Cut(s, `\`)
		b.WriteString(plain)
		if s = rest; !ok || s == "" {
			break
		}
		if s[0] == 'u' {
			r, n, err := unescapeRune(s)
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			s = s[n:]
			continue
		}
		_, n := utf8.DecodeRuneInString(s)
		switch s[0] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String(), nil
}

// unescapeRune reads u0041, or the two halves ud83d\ude00 of a character beyond 16 bits, and returns how
// many bytes it read.
func unescapeRune(s string) (rune, int, error) {
	r, err := hexRune(s)
	if err != nil {
		return 0, 0, err
	}
	if !utf16.IsSurrogate(r) {
		return r, 5, nil
	}
	if low, ok := strings.CutPrefix(s[5:], `\u`); ok {
		half, err := hexRune("u" + low)
		if err != nil {
			return 0, 0, err
		}
		if whole := utf16.DecodeRune(r, half); whole != utf8.RuneError {
			return whole, 11, nil
		}
	}
	return 0, 0, errors.New(`a \u escape is half of a pair whose other half is missing`)
}

func hexRune(s string) (rune, error) {
	if len(s) >= 5 {
		if n, err := strconv.ParseUint(s[1:5], 16, 16); err == nil {
			return rune(n), nil
		}
	}
	return 0, errors.New(`\u must be followed by four hexadecimal digits`)
}
