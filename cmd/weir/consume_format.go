package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/rdd"
)

// A recordFormat says what is shown of a record, and how.
type recordFormat struct {
	keys, headers, offsets, partitions, timestamps bool
	json                                           bool
}

func (f *recordFormat) flags(c *cobra.Command) {
	c.Flags().BoolVar(&f.timestamps, "timestamps", false, "show each record's timestamp and its type")
	c.Flags().BoolVar(&f.partitions, "partitions", false, "show each record's partition, as TOPIC-NUMBER")
	c.Flags().BoolVar(&f.offsets, "offsets", false, "show each record's offset")
	c.Flags().BoolVar(&f.headers, "headers", false, "show each record's headers, as NAME:VALUE,NAME:VALUE")
	c.Flags().BoolVar(&f.keys, "keys", false, "show each record's key")
	c.Flags().BoolVar(&f.json, "json", false, "show all of a record as a JSON object on a line; "+
		"bytes that are no text are in key_base64 and value_base64")
}

// appendRecord adds a record and a line feed to b. Columns have tabulators between them, the value being the last.
func (f *recordFormat) appendRecord(b []byte, r *rawRecord) ([]byte, error) {
	if f.json {
		return appendJSON(b, r)
	}
	if f.timestamps {
		b = append(b, r.TimestampType.String()...)
		if r.Timestamp >= 0 {
			b = append(b, ':')
			b = r.Time().UTC().AppendFormat(b, timestampLayout)
		}
		b = append(b, '\t')
	}
	if f.partitions {
		b = append(append(b, r.TopicPartition().String()...), '\t')
	}
	if f.offsets {
		b = append(strconv.AppendInt(b, r.Offset, 10), '\t')
	}
	if f.headers {
		for i, h := range r.Headers {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, h.Key...), ':')
			b = appendBytes(b, h.Value, h.Value == nil)
		}
		b = append(b, '\t')
	}
	if f.keys {
		b = append(appendBytes(b, r.Key, r.KeyNull), '\t')
	}
	return append(appendBytes(b, r.Value, r.Null), '\n'), nil
}

// timestampLayout shows milliseconds, which is what Kafka keeps.
const timestampLayout = "2006-01-02T15:04:05.000Z07:00"

func appendBytes(b, data []byte, null bool) []byte {
	if null {
		return append(b, "null"...)
	}
	return append(b, data...)
}

// recordJSON is a record for programs. Key and Value are null for a null, and for bytes that are no text: these are in
// the field beside.
type recordJSON struct {
	Topic         string       `json:"topic"`
	Partition     int32        `json:"partition"`
	Offset        int64        `json:"offset"`
	Timestamp     *string      `json:"timestamp"`
	TimestampType string       `json:"timestamp_type"`
	Key           *string      `json:"key"`
	KeyBase64     string       `json:"key_base64,omitempty"`
	Value         *string      `json:"value"`
	ValueBase64   string       `json:"value_base64,omitempty"`
	Headers       []headerJSON `json:"headers,omitempty"`
}

type headerJSON struct {
	Key         string  `json:"key"`
	Value       *string `json:"value"`
	ValueBase64 string  `json:"value_base64,omitempty"`
}

func appendJSON(b []byte, r *rawRecord) ([]byte, error) {
	out := recordJSON{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, TimestampType: r.TimestampType.String()}
	if r.Timestamp >= 0 {
		text := r.Time().UTC().Format(timestampLayout)
		out.Timestamp = &text
	}
	out.Key, out.KeyBase64 = textOrBase64(r.Key, r.KeyNull)
	out.Value, out.ValueBase64 = textOrBase64(r.Value, r.Null)
	for _, h := range r.Headers {
		j := headerJSON{Key: h.Key}
		j.Value, j.ValueBase64 = textOrBase64(h.Value, h.Value == nil)
		out.Headers = append(out.Headers, j)
	}
	buf := bytes.NewBuffer(b)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(out)
	return buf.Bytes(), err
}

// textOrBase64 gives bytes as text if they are text; a null is neither.
func textOrBase64(data []byte, null bool) (text *string, encoded string) {
	switch {
	case null:
		return nil, ""
	case utf8.Valid(data):
		s := string(data)
		return &s, ""
	}
	return nil, base64.StdEncoding.EncodeToString(data)
}

// A recordWriter shows records, up to a number of them. One task at a time uses it.
type recordWriter struct {
	out     *bufio.Writer
	format  recordFormat
	limited bool
	left    int64
	buf     []byte
}

// newRecordWriter makes a writer of at most most records, of all if most is 0.
func newRecordWriter(out io.Writer, f recordFormat, most int64) *recordWriter {
	return &recordWriter{out: bufio.NewWriterSize(out, 1<<16), format: f, limited: most > 0, left: most}
}

// done tells whether the wanted number of records is shown.
func (w *recordWriter) done() bool { return w.limited && w.left == 0 }

// partition shows the records of a partition until there are no more, or enough.
func (w *recordWriter) partition(_ *rdd.TaskContext, records iter.Seq[rawRecord]) error {
	if w.done() {
		return nil
	}
	for r := range records {
		var err error
		if w.buf, err = w.format.appendRecord(w.buf[:0], &r); err != nil {
			return err
		}
		if _, err := w.out.Write(w.buf); err != nil {
			return err
		}
		if w.left--; w.done() {
			return nil
		}
	}
	return nil
}

func (w *recordWriter) flush() error { return w.out.Flush() }
