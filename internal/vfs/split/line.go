package split

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A lineReader finds lines in a stream, in a buffer of one length: only a line that is longer takes more.
type lineReader struct {
	r     io.Reader
	limit int
	buf   []byte
	data  []byte // what of buf is read and not used yet
	long  []byte // the beginning of a line that does not fit into buf
	at    int64  // offset of the next byte that is not used
	ended bool
}

const bufferBytes = 64 << 10

// each yields the lines that begin at or before last, but the one that was begun before the reader's beginning, unless
// that is the file's.
func (l *lineReader) each(last int64, yield func(line []byte) bool) (more bool, err error) {
	if l.at == 0 {
		err = l.skipMark()
		last = max(last, l.at) // The first line begins with the mark.
	} else {
		err = l.skipLine(last)
	}
	for err == nil && l.at <= last {
		line, ok, err := l.next()
		if err != nil || !ok {
			return true, err
		}
		if !yield(line) {
			return false, nil
		}
	}
	return true, err
}

// fill reads more behind what is left; there is room, for next leaves at most one byte.
func (l *lineReader) fill() error {
	left := copy(l.buf, l.data)
	for range 100 {
		n, err := l.r.Read(l.buf[left:])
		l.data = l.buf[:left+n]
		if errors.Is(err, io.EOF) {
			l.ended = true
			return nil
		}
		if err != nil || n > 0 {
			return err
		}
	}
	return io.ErrNoProgress
}

func (l *lineReader) use(n int) {
	l.data = l.data[n:]
	l.at += int64(n)
}

// skipMark passes over a byte order mark.
func (l *lineReader) skipMark() error {
	mark := []byte("\xef\xbb\xbf")
	for len(l.data) < len(mark) && !l.ended {
		if err := l.fill(); err != nil {
			return err
		}
	}
	if bytes.HasPrefix(l.data, mark) {
		l.use(len(mark))
	}
	return nil
}

// skipLine passes over the rest of a line, or until behind last: a split within one long line has no line.
func (l *lineReader) skipLine(last int64) error {
	for l.at <= last {
		found, err := l.scan(func([]byte) error { return nil })
		if found || err != nil || l.ended && len(l.data) == 0 {
			return err
		}
	}
	return nil
}

// next gives the next line, whose bytes are good until the next call; ok is false at the end.
func (l *lineReader) next() (line []byte, ok bool, err error) {
	began := l.at
	l.long = l.long[:0]
	for {
		if i, n := l.end(); n > 0 && len(l.long) == 0 && i <= l.limit { // The whole line lies in the buffer.
			line = l.data[:i]
			l.use(n)
			return line, true, nil
		}
		found, err := l.scan(func(part []byte) error {
			if len(l.long)+len(part) > l.limit {
				return fmt.Errorf("a line is longer than %d bytes: is it a file of lines? "+
					"(rdd.MaxLength and files.WithMaxLength raise the limit)", l.limit)
			}
			l.long = append(l.long, part...)
			return nil
		})
		if err != nil {
			l.at = began // It is the line that is in question.
			return nil, false, err
		}
		if found || l.ended && len(l.data) == 0 {
			return l.long, found || l.at > began, nil
		}
	}
}

// end finds the end of a line in the buffer: it begins at i and is behind the first n bytes; n is 0 where it cannot be
// told, for a \r that is the last byte may be half of an end.
func (l *lineReader) end() (i, n int) {
	i = bytes.IndexByte(l.data, '\n')
	before := l.data
	if i >= 0 {
		before = l.data[:i]
	}
	switch r := bytes.IndexByte(before, '\r'); {
	case r < 0 && i < 0:
		return 0, 0
	case r < 0:
		return i, i + 1
	case r+1 == i:
		return r, i + 1
	case r+1 < len(l.data) || l.ended:
		return r, r + 1
	}
	return 0, 0
}

// scan uses what is in the buffer, up to the end of the line if that is there, handing what belongs to the line to
// part, and reads more if it is not.
func (l *lineReader) scan(part func([]byte) error) (found bool, err error) {
	i, n := l.end()
	if n > 0 {
		err := part(l.data[:i])
		l.use(n)
		return true, err
	}
	// All but a \r at the end, which must be seen together with what follows.
	whole := bytes.TrimSuffix(l.data, []byte("\r"))
	if l.ended {
		whole = l.data
	}
	if err := part(whole); err != nil {
		return false, err
	}
	l.use(len(whole))
	if l.ended {
		return false, nil
	}
	return false, l.fill()
}
