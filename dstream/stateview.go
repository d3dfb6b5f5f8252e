package dstream

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirstream/weir/codec"
)

// RawStateOf makes a reader of a state of this program as [StateOf] does, for who does not have its types: keys are
// their canonical bytes and values their encodings. What it reads is the checkpoint's, Get included.
func RawStateOf(ssc *Context, name string) (*StateReader[[]byte, []byte], error) {
	if _, err := ssc.stateNamed(name); err != nil {
		return nil, err
	}
	return &StateReader[[]byte, []byte]{name: name, source: ssc.stateSource, at: -1, types: rawTypes()}, nil
}

// A StateView shows one version of a state as JSON, by the schemas that the checkpoint has of its keys and values.
type StateView struct {
	// Reader reads that version, whatever becomes the newest meanwhile.
	Reader *StateReader[[]byte, []byte]
	Info   StateInfo
	// Keys and Values are nil while the state holds nothing.
	Keys, Values *codec.Schema
}

// ViewState finds the version that r reads. It reads the head of a file.
func ViewState(ctx context.Context, r *StateReader[[]byte, []byte]) (*StateView, error) {
	info, err := r.Info(ctx)
	v := &StateView{Reader: r, Info: info}
	if err != nil {
		return nil, err
	}
	if info.Key == "" {
		return v, nil // There is nothing yet.
	}
	v.Reader = r.At(info.Version.Sequence)
	if v.Keys, err = codec.ParseSchema(info.Key); err == nil {
		v.Values, err = codec.ParseSchema(info.Value)
	}
	if err != nil {
		return nil, fmt.Errorf("the state %q: %w: was it written by a later release?", info.Operator, err)
	}
	return v, nil
}

// Key gives the bytes of a key from its JSON or, where keys are strings, from the string as it is. They are nil where
// the state holds nothing yet.
func (v *StateView) Key(text string) ([]byte, error) {
	if v.Keys == nil {
		return nil, nil
	}
	if v.Info.Key == "string" && !strings.HasPrefix(text, `"`) && !strings.HasPrefix(text, `{"base64"`) {
		return []byte(text), nil
	}
	b, err := v.Keys.AppendKey(nil, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("the key %s: %w", text, err)
	}
	return b, nil
}

// KeyJSON shows the bytes of a key.
func (v *StateView) KeyJSON(b []byte) (string, error) {
	text, err := v.Keys.AppendKeyJSON(nil, b)
	return string(text), err
}

// ValueJSON shows the bytes of a value.
func (v *StateView) ValueJSON(b []byte) (string, error) {
	text, err := v.Values.AppendJSON(nil, b)
	return string(text), err
}

// Row is an entry as one line of JSON: docs/FORMAT.md, "Exported states".
func (v *StateView) Row(e StateEntry[[]byte, []byte]) (string, error) {
	key, err := v.KeyJSON(e.Key)
	if err != nil {
		return "", err
	}
	value, err := v.ValueJSON(e.Value)
	return fmt.Sprintf(`{"key":%s,"value":%s,"touched":%q}`, key, value, stateTime(e.Touched)), err
}

// stateTime is how exported states have times.
func stateTime(t Time) string { return t.Std().UTC().Format("2006-01-02T15:04:05.000Z") }
