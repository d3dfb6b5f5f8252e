package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// throughJSON holds what is said of JSON for one value: it is valid, and gives the same bytes again.
func throughJSON(schema string, b []byte) error {
	s, err := ParseSchema(schema)
	if err != nil {
		return err
	}
	text, err := s.AppendJSON([]byte("before"), b)
	if err != nil {
		return err
	}
	text = bytes.TrimPrefix(text, []byte("before"))
	if !json.Valid(text) {
		return fmt.Errorf("%s: %q is no JSON", schema, text)
	}
	again, err := s.AppendValue([]byte("before"), text)
	if again = bytes.TrimPrefix(again, []byte("before")); err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%s: %s is read as % x, error %v; want % x", schema, text, again, err, b)
	}
	return nil
}

// checkJSON: the schema alone is enough to show a value as JSON, and to read it.
func checkJSON[T any](t *testing.T, c *Codec[T], v T) {
	b, err := c.Append(nil, &v)
	if err == nil {
		err = throughJSON(c.Schema(), b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkKeyJSON[K comparable](t *testing.T, k *KeyCodec[K], key K) {
	b, err := k.Append(nil, key)
	if err != nil {
		return // NaN has no bytes
	}
	s, err := ParseSchema(must[K](t).Schema())
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.AppendKeyJSON(nil, b)
	if err != nil || !json.Valid(text) {
		t.Fatalf("%v: %q is no JSON: %v", s, text, err)
	}
	again, err := s.AppendKey(nil, text)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("%v: %s is read as % x, error %v; want % x", s, text, again, err, b)
	}
}

// TestJSONVectors reads the page's rows: schema, bytes, JSON.
func TestJSONVectors(t *testing.T) {
	for _, table := range []string{"values as JSON", "keys as JSON"} {
		show, read := (*Schema).AppendJSON, (*Schema).AppendValue
		if strings.HasPrefix(table, "keys") {
			show, read = (*Schema).AppendKeyJSON, (*Schema).AppendKey
		}
		for _, row := range vectors(t, table) {
			s, err := ParseSchema(row[0])
			if err != nil {
				t.Errorf("%s: %v", table, err)
				continue
			}
			b, err := hex.DecodeString(strings.TrimPrefix(row[1], "none"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := show(s, nil, b)
			if err != nil || string(got) != row[2] {
				t.Errorf("%s: %s %s is shown as %s, error %v; want %s", table, row[0], row[1], got, err, row[2])
			}
			if back, err := read(s, nil, []byte(row[2])); err != nil || !bytes.Equal(back, b) {
				t.Errorf("%s: %s %s is read as %x, error %v; want %s", table, row[0], row[2], back, err, row[1])
			}
		}
	}
}

// TestJSONRefused: what is wrong is said, by field.
func TestJSONRefused(t *testing.T) {
	for _, tt := range []struct{ schema, text, want string }{
		{"int64", `1.5`, "1.5 is no int64"},
		{"int8", `128`, "128 is no int8"},
		{"uint64", `-1`, "-1 is no uint64"},
		{"int64", `"1"`, `"1" is no int64`},
		{"string", `1`, "1 is no string"},
		{"string", `"a" 2`, "something follows"},
		{"string", `"a`, "cannot be read"},
		{"bool", `null`, "null is no bool"},
		{"bytes", `"?"`, `"?" is no bytes`},
		{"{[2]int64}", `[1]`, "[1] is no array"},
		{"{A int64; B.C bool}", `{"A":1}`, "the field B is missing"},
		{"{A int64; B.C bool}", `{"A":1,"B":{"C":1}}`, "field B.C: 1 is no bool"},
		{"{A int64}", `{"A":1,"a":2}`, `there is no field "a"`},
		{"{map[float64]int64}", `[[0,1],[-0,2]]`, "a key of a map comes twice"},
		{"{map[float64]int64}", `[["NaN",1]]`, "NaN cannot be a key"},
		{"{map[string]int64}", `[1]`, "1 is no map"},
		{"time", `"yesterday"`, `"yesterday" is no time`},
		{"time", `{"base64":"AA=="}`, "is no time"},
		{"addr", `"10.0.0"`, `"10.0.0" is no addr`},
		{"own(math/big.Int)", `12`, `given by {"base64":"..."}`},
		{"complex64", `[1,2,3]`, "is no complex64"},
	} {
		s, err := ParseSchema(tt.schema)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.AppendValue(nil, []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: error %v, want %q", tt.text, tt.schema, err, tt.want)
		}
	}
}

// TestNoSchema: what no codec writes is no schema.
func TestNoSchema(t *testing.T) {
	for _, text := range []string{"", "int", "{", "{A int64", "{int64; bool}", "{A int64; bool}", "{A int64 bool}",
		"{A #1}", "{#1}", "{*#2}", "{[3]{A #1}}", "{A int64; A bool}", "{A.B int64; C bool; A.D bool}", "int64 ", "[x]int64",
		"{map[string}", "own(a", "{A int64; A.B bool}", "[99999999999]byte", strings.Repeat("*", 300) + "int64"} {
		if s, err := ParseSchema(text); err == nil {
			t.Errorf("%q is taken for the schema %+v", text, s.value)
		}
	}
}

// FuzzSchema gives text for a schema, and bytes and JSON for its values.
func FuzzSchema(f *testing.F) {
	for _, text := range []string{"{Left *#1; Right *#1; N int64}", "{map[{X int32; Y int32}]bytes}", "{A.B time; C addr}",
		"{[3]{X float64}}", "own(math/big.Int)", "{map[float64]{[]{}}}", "{**complex64}"} {
		f.Add(text, []byte{2, 1, 4, 0, 0, 6}, "[1]")
	}
	f.Fuzz(func(t *testing.T, schema string, b []byte, text string) {
		s, err := ParseSchema(schema)
		if err != nil {
			return
		}
		if shown, err := s.AppendJSON(nil, b); err == nil {
			if back, err := s.AppendValue(nil, shown); !json.Valid(shown) || err == nil && !bytes.Equal(back, b) {
				t.Errorf("%s: % x is shown as %s and read as % x, %v", schema, b, shown, back, err)
			}
		}
		if value, err := s.AppendValue(nil, []byte(text)); err == nil {
			if _, err := s.AppendJSON(nil, value); err != nil && !strings.Contains(err.Error(), "cannot be a key") {
				t.Errorf("%s: %s is read as % x, which is not shown: %v", schema, text, value, err)
			}
		}
		if key, err := s.AppendKey(nil, []byte(text)); err == nil {
			_, _ = s.AppendKeyJSON(nil, key)
		}
	})
}
