package codec

import (
	"fmt"
	"reflect"
)

// A TypeError says why a type cannot be encoded, or cannot be a key. It is found when the graph is
// built, never at a record.
type TypeError struct {
	Type   reflect.Type // the type that was asked for
	Key    bool         // it was asked for as a key
	Path   string       // where in it the trouble lies, such as "main.Order.Items[].Lock"
	Reason string       // what is wrong there
	Remedy string       // what to do about it
}

// Error gives all of it in one line.
func (e *TypeError) Error() string {
	what := "encode"
	if e.Key {
		what = "take as a key"
	}
	return fmt.Sprintf("codec: cannot %s %s: %s %s; %s", what, e.Type, e.Path, e.Reason, e.Remedy)
}
