package kafka

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// JSON decodes a key or value with encoding/json and is handed on with its type:
//
//	kafka.DirectStream(ssc, topics, params, kafka.String, kafka.JSON[Order])
//
// A null gives the zero T, as the JSON literal null does; with a pointer for T that is nil. Fields
// that T lacks are skipped. Empty bytes, malformed JSON, a second value behind the first and values
// that do not fit T are errors. Nothing in T points into the fetch buffer, unless T has an
// UnmarshalJSON of its own that keeps its input.
func JSON[T any](m Meta, data []byte) (T, error) {
	var v T
	if m.Null {
		return v, nil
	}
	if err := json.Unmarshal(data, &v); err != nil {
		var zero T // not v: the decoder may have filled half of it
		return zero, fmt.Errorf("kafka.JSON[%s]: %d bytes: %w", reflect.TypeFor[T](), len(data), err)
	}
	return v, nil
}
