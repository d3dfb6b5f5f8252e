package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

// A recordForm says how arguments or lines become records.
type recordForm struct {
	key, separator, timestamp string
	pairs                     []string
	null                      bool

	keyed   bool // --key was given, be it empty
	at      time.Time
	headers []kafka.Header
}

func (f *recordForm) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.key, "key", "", "`KEY` of every record; without it, and --key-separator, there is none")
	c.Flags().StringVar(&f.separator, "key-separator", "", "`TEXT` between key and value; \\t is a tabulator")
	c.Flags().StringArrayVar(&f.pairs, "header", nil, "a header of every record, `NAME=VALUE`; may be repeated")
	c.Flags().StringVar(&f.timestamp, "timestamp", "",
		"`TIME` of every record, or milliseconds since 1970 (default now)")
	c.Flags().BoolVar(&f.null, "null", false, "write tombstones, records whose value is null")
}

// check reads the flags and refuses those that contradict each other.
func (f *recordForm) check(c *cobra.Command, values []string) (err error) {
	f.keyed = c.Flags().Changed("key")
	switch {
	case f.keyed && f.separator != "":
		return usagef("--key and --key-separator both give the key: keep one of them")
	case f.null && f.separator != "":
		return usagef("--key-separator has nothing to separate with --null: each VALUE or line is a key")
	case f.null && f.keyed && len(values) > 0:
		return usagef("%q is one key too many: with --key and --null there is one record", values[0])
	case c.Flags().Changed("key-separator") && f.separator == "":
		return usagef("--key-separator must not be empty")
	}
	if strings.Contains(f.separator, `\`) {
		if f.separator, err = strconv.Unquote(`"` + f.separator + `"`); err != nil {
			return usagef("--key-separator: a backslash begins an escape, such as \\t or \\x00; write \\\\ for itself")
		}
	}
	for _, pair := range f.pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return usagef("--header takes NAME=VALUE, not %q", pair)
		}
		f.headers = append(f.headers, kafka.Header{Key: name, Value: []byte(value)})
	}
	if f.timestamp == "" {
		return nil
	}
	if ms, err := strconv.ParseInt(f.timestamp, 10, 64); err == nil && ms >= 0 {
		f.at = time.UnixMilli(ms)
		return nil
	}
	at, ok := parseTime(f.timestamp, time.Now())
	if !ok || at.UnixMilli() < 0 {
		return usagef("--timestamp takes %s; or milliseconds since 1970; not %q", timeForms, f.timestamp)
	}
	f.at = at
	return nil
}

// An input is what becomes one record.
type input struct {
	text []byte
	// where names its place for errors.
	where string
}

// inputs yields what is to be written until there is no more or ctx ends.
type inputs func(ctx context.Context) iter.Seq2[input, error]

// source chooses between arguments and lines.
func (f *recordForm) source(values []string, r io.Reader) inputs {
	switch {
	case f.null && f.keyed:
		return arguments([]string{f.key})
	case len(values) > 0:
		return arguments(values)
	}
	return lines(r)
}

func arguments(values []string) inputs {
	return func(ctx context.Context) iter.Seq2[input, error] {
		return func(yield func(input, error) bool) {
			for i, v := range values {
				if ctx.Err() != nil || !yield(input{[]byte(v), fmt.Sprintf("value %d", i+1)}, nil) {
					return
				}
			}
		}
	}
}

// longestLine bounds what a line takes of memory; no broker takes a record of this size.
const longestLine = 256 << 20

// lines reads r on a goroutine of its own, because a read from a terminal does not end with a context.
func lines(r io.Reader) inputs {
	type read struct {
		line []byte
		err  error
	}
	return func(ctx context.Context) iter.Seq2[input, error] {
		ch := make(chan read, 1024)
		go func() {
			defer close(ch)
			for in := bufio.NewReaderSize(r, 1<<16); ; {
				line, err := readLine(in, longestLine)
				if errors.Is(err, io.EOF) && len(line) == 0 {
					return
				}
				if errors.Is(err, io.EOF) {
					err = nil // The last line needs no line feed.
				}
				select {
				case ch <- read{line, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
		return func(yield func(input, error) bool) {
			for n := 1; ; n++ {
				select {
				case got, ok := <-ch:
					where := fmt.Sprintf("line %d", n)
					if got.err != nil {
						got.err = fmt.Errorf("%s: %w", where, got.err)
					}
					if !ok || !yield(input{got.line, where}, got.err) {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// readLine reads up to a line feed, which it drops, and at most most bytes. At the end it gives what is left, with
// io.EOF.
func readLine(in *bufio.Reader, most int) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > most:
			return nil, fmt.Errorf("it is longer than %d bytes: is the input text?", most)
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// record makes the record of an input. A key that is not given is a null.
func (f *recordForm) record(in input) (r kafka.ProducerRecord[[]byte, []byte], err error) {
	r.Time, r.Headers = f.at, f.headers
	switch {
	case f.null:
		r.Key = in.text
	case f.keyed:
		r.Key, r.Value = []byte(f.key), in.text
	case f.separator != "":
		key, value, ok := bytes.Cut(in.text, []byte(f.separator))
		if !ok {
			return r, fmt.Errorf("%s: there is no key separator %q in it; "+
				"the records before it were written", in.where, f.separator)
		}
		r.Key, r.Value = key, value
	default:
		r.Value = in.text
	}
	if r.Value == nil && !f.null {
		r.Value = []byte{} // An empty line is an empty value and no null.
	}
	return r, nil
}
