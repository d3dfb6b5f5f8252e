package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// A record is a small file: a head of one line, then lines of JSON. docs/FORMAT.md, "Records".
const (
	recordMagic   = "weir "
	recordVersion = 1
	headMax       = 80
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeLine gives a value as a line of JSON.
func encodeLine(v any) ([]byte, error) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return line.Bytes(), err
}

// EncodeRecord gives the bytes of a record with the given lines: each is encoded as JSON, but for a json.RawMessage,
// which is a line already.
func EncodeRecord(kind string, lines ...any) ([]byte, error) {
	raws, body := make([]json.RawMessage, len(lines)), 0
	for i, line := range lines {
		raw, ok := line.(json.RawMessage)
		if !ok {
			var err error
			if raw, err = encodeLine(line); err != nil {
				return nil, err
			}
		}
		raws[i], body = raw, body+len(raw)
	}
	record := make([]byte, 0, headMax+body)
	record = fmt.Appendf(record, "%s%s ", recordMagic, kind)
	sum := len(record)
	record = append(record, "00000000 "...)
	summed := len(record)
	record = fmt.Appendf(record, "%d %d\n", recordVersion, body)
	for _, raw := range raws {
		record = append(record, raw...)
	}
	copy(record[sum:], fmt.Sprintf("%08x", crc32.Checksum(record[summed:], castagnoli)))
	return record, nil
}

// DecodeRecord gives the lines of a record, and refuses what is not whole. name is the file's, for errors.
func DecodeRecord(kind, name string, data []byte) ([]json.RawMessage, error) {
	damaged := func(offset int, format string, args ...any) error {
		return &DamageError{File: name, Offset: int64(offset), What: fmt.Sprintf(format, args...), Remedy: fromCopy}
	}
	head, _, ok := bytes.Cut(data[:min(len(data), headMax)], []byte("\n"))
	if !ok || !bytes.HasPrefix(head, []byte(recordMagic)) {
		return nil, damaged(0, "it does not begin as a record does")
	}
	fields := strings.Split(string(head[len(recordMagic):]), " ")
	if len(fields) != 4 || fields[0] != kind {
		return nil, damaged(0, "its head is %q, not that of the kind %s", head, kind)
	}
	at := len(recordMagic) + len(kind) + 1 + 8 + 1
	sum, err := strconv.ParseUint(fields[1], 16, 32)
	if err != nil || len(fields[1]) != 8 || uint32(sum) != crc32.Checksum(data[at:], castagnoli) {
		return nil, damaged(at, "the checksum of the %d bytes from here on is not the one in the head", len(data)-at)
	}
	// The checksum is right, so this is what was written.
	version, err := strconv.ParseInt(fields[2], 10, 64)
	if err == nil && version > recordVersion {
		return nil, &VersionError{File: name, Kind: kind, Version: version, Known: recordVersion}
	}
	body := data[len(head)+1:]
	if err != nil || version != recordVersion || fields[3] != strconv.Itoa(len(body)) {
		return nil, damaged(0, "its head is %q, before %d bytes", head, len(body))
	}
	var lines []json.RawMessage
	for line := range bytes.Lines(body) {
		lines = append(lines, json.RawMessage(line))
	}
	return lines, nil
}

// DecodeOne decodes a record of one line into to. It refuses fields that to does not have.
func DecodeOne(kind, name string, data []byte, to any) error {
	lines, err := DecodeRecord(kind, name, data)
	if err != nil {
		return err
	}
	if len(lines) != 1 {
		return fmt.Errorf("%s has %d lines, and a record of the kind %s has one", name, len(lines), kind)
	}
	if err := strictly(lines[0], to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// strictly decodes JSON and refuses fields that are not known, for a field that is not read may be what matters.
func strictly(raw []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more follows the value")
	}
	return nil
}
