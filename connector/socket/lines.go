package socket

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"
)

// A GarbledError says that a line is not UTF-8. It comes with the line, the bytes in question replaced by
// U+FFFD.
type GarbledError struct {
	// Line counts from 1, Byte from 0 within the line.
	Line, Byte int
}

// Error implements error.
func (e *GarbledError) Error() string {
	return fmt.Sprintf("line %d is not UTF-8 from its byte %d on; what is not was replaced by U+FFFD: "+
		"is the sender's encoding another one, or is it sending binary data? (socket.Stream takes "+
		"those)", e.Line, e.Byte)
}

// Lines gives the lines of r, which end with \n, \r or \r\n. A line that is not UTF-8 comes with a *GarbledError, and
// the sequence goes on; any other error ends it. A last line without an end is a line if r came to its end (io.EOF).
// One that another error cut is not given, for half a record is a wrong one: the error says how much of it there was.
func Lines(r io.Reader, maxLine int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		in := &ending{Reader: r}
		sc := bufio.NewScanner(in)
		sc.Buffer(nil, maxLine+2) // with the end of a line, of up to two bytes
		sc.Split(in.split)
		n := 0
		for sc.Scan() {
			n++
			line, err := sc.Text(), error(nil)
			if !utf8.ValidString(line) {
				err = &GarbledError{Line: n, Byte: firstInvalid(line)}
				line = strings.ToValidUTF8(line, "\uFFFD")
			}
			if !yield(line, err) {
				return
			}
		}
		err := sc.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("line %d is longer than %d bytes: is the sender ending its lines? "+
				"(socket.WithMaxLine raises the limit)", n+1, maxLine)
		} else if err != nil && in.cut > 0 {
			err = fmt.Errorf("line %d was cut after %d bytes and is not delivered: %w", n+1, in.cut, err)
		}
		if err != nil {
			yield("", err)
		}
	}
}

// An ending is a reader that keeps whether it came to its end. A bufio.Scanner tells its SplitFunc only that no more
// will come, be it for the end or for an error.
type ending struct {
	io.Reader
	whole   bool
	cut     int  // bytes of the line that an error cut
	afterCR bool // a \n that comes next belongs to the end of the line before
}

// Read implements io.Reader.
func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	e.whole = err == io.EOF
	return n, err
}

// split is a bufio.SplitFunc. A line that ends with \r is given at once, as Java's readLine does: the byte after it may
// be long in coming. A last line without an end is none after an error.
func (e *ending) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if e.afterCR && len(data) > 0 {
		e.afterCR = false
		if data[0] == '\n' {
			advance, data = 1, data[1:]
		}
	}
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i >= 0:
		e.afterCR = data[i] == '\r'
		return advance + i + 1, data[:i], nil
	case atEOF && !e.whole:
		e.cut = len(data)
	case atEOF && len(data) > 0:
		return advance + len(data), data, nil
	}
	return advance, nil, nil
}

func firstInvalid(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return len(s)
}
