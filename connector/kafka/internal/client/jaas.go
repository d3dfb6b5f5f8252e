package client

import (
	"errors"
	"fmt"
	"strings"
)

// loginModule is one entry of a JAAS configuration: a class and its options.
type loginModule struct {
	class   string
	options map[string]secret
}

// short is the class without its package.
func (m *loginModule) short() string { return m.class[strings.LastIndexByte(m.class, '.')+1:] }

// parseJAAS reads the value of sasl.jaas.config,
//
//	class flag name="value" name='value' name=word ;
//
// with Java's rules: comments, and in quotes the escapes of a Java string. Its errors name options and
// positions, never values.
func parseJAAS(text string) (*loginModule, error) {
	s := jaasScanner{text: text}
	m := &loginModule{options: map[string]secret{}}
	class, err := s.word("the class of a login module")
	if err != nil {
		return nil, err
	}
	m.class = class
	flag, err := s.word("required, requisite, sufficient or optional after the class")
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(flag) {
	case "required", "requisite", "sufficient", "optional":
	default:
		return nil, errors.New("has no control flag: write required after the class of the login module")
	}
	for {
		s.space()
		if s.done() {
			return m, nil // Java wants a semicolon; without one nothing is ambiguous
		}
		if s.take(';') {
			break
		}
		if err := s.option(m); err != nil {
			return nil, err
		}
	}
	if s.space(); !s.done() {
		return nil, errors.New("has more after the semicolon: exactly one login module can be given; " +
			"a semicolon inside a value needs quotes around the value")
	}
	return m, nil
}

type jaasScanner struct {
	text string
	pos  int
}

func (s *jaasScanner) done() bool { return s.pos >= len(s.text) }

func (s *jaasScanner) take(c byte) bool {
	if !s.done() && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// space skips spaces and comments.
func (s *jaasScanner) space() {
	for !s.done() {
		rest := s.text[s.pos:]
		switch {
		case strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			s.pos += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				n = len(rest) - 4
			}
			s.pos += n + 4
		case rest[0] <= ' ':
			s.pos++
		default:
			return
		}
	}
}

// bare reads an unquoted word. Java's scanner ends it at more characters; none of those occur in what
// people leave unquoted, and ending late keeps user#name and host:port whole.
//
// It reads characters up to one that ends a word.
func (s *jaasScanner) bare() string {
	start := s.pos
	for !s.done() && s.text[s.pos] > ' ' && !strings.ContainsRune(`=;"'`, rune(s.text[s.pos])) {
		s.pos++
	}
	return s.text[start:s.pos]
}

func (s *jaasScanner) word(what string) (string, error) {
	s.space()
	w := s.bare()
	if w == "" {
		return "", fmt.Errorf("lacks %s (at character %d): write "+
			`org.apache.kafka.common.security.plain.PlainLoginModule required username="..." password="...";`,
			what, s.pos+1)
	}
	return w, nil
}

func (s *jaasScanner) option(m *loginModule) error {
	at := s.pos + 1
	name := s.bare()
	s.space()
	if name == "" || !s.take('=') {
		return fmt.Errorf("has at character %d something that is not name=value: put values with special "+
			"characters into double quotes", at)
	}
	s.space()
	// Either kind of quote will do, as in Java.
	var v string
	if !s.done() && (s.text[s.pos] == '"' || s.text[s.pos] == '\'') {
		var ok bool
		if v, ok = s.quoted(); !ok {
			return fmt.Errorf("has no closing quote for the value of %s", name)
		}
	} else if v = s.bare(); v == "" {
		return fmt.Errorf("has no value for %s", name)
	}
	// Java takes the last one silently, which hides a password that was changed in one place only.
	if _, twice := m.options[name]; twice {
		return fmt.Errorf("has the option %s twice", name)
	}
	m.options[name] = secret(v)
	return nil
}

// quoted reads a quoted value and its escapes.
func (s *jaasScanner) quoted() (string, bool) {
	quote := s.text[s.pos]
	var b strings.Builder
	for s.pos++; !s.done(); s.pos++ {
		switch c := s.text[s.pos]; c {
		case quote:
			s.pos++
			return b.String(), true
		case '\\':
			if s.pos++; s.done() {
				return "", false
			}
			b.WriteByte(s.escape())
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// escape reads what follows a backslash and leaves the scanner on its last character.
func (s *jaasScanner) escape() byte {
	c := s.text[s.pos]
	if c < '0' || c > '7' {
		if i := strings.IndexByte("abfnrtv", c); i >= 0 {
			return "\a\b\f\n\r\t\v"[i]
		}
		return c
	}
	// One to three octal digits, at most 377.
	digits := 2
	if c <= '3' {
		digits = 3
	}
	n := 0
	start := s.pos
	for s.pos-start < digits && !s.done() && s.text[s.pos] >= '0' && s.text[s.pos] <= '7' {
		n = n*8 + int(s.text[s.pos]-'0')
		s.pos++
	}
	s.pos--
	return byte(n)
}
