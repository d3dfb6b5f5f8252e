package registry

import (
	"context"
	"errors"
)

// Compiled keeps what a deserializer makes of each schema it meets, such as a decoder. It asks the
// registry once for each schema and calls compile once, however many tasks ask at the same time, and
// keeps as many as max.schemas.per.subject says. It may be used by many goroutines; a Get of what is
// known takes no lock.
type Compiled[V any] struct {
	client  *Client
	compile func(context.Context, Schema) (V, error)
	memo    *memo[Ref, outcome[V]]
}

// outcome is what compile returned. An error is remembered like a value: a schema never changes, so
// one that does not fit will not fit the next record either.
type outcome[V any] struct {
	value V
	err   error
}

// NewCompiled makes an empty Compiled over a client. compile may ask the client for more, as for a
// schema's Dependencies; an *Error that it returns is taken as the registry's, and tried again with
// the next record.
func NewCompiled[V any](c *Client, compile func(context.Context, Schema) (V, error)) *Compiled[V] {
	return &Compiled[V]{client: c, compile: compile, memo: newMemo[Ref, outcome[V]](c.settings.cacheLimit)}
}

// Get returns what compile made of a schema. Errors are an *Error of the registry, or those of
// compile.
func (c *Compiled[V]) Get(ctx context.Context, ref Ref) (V, error) {
	out, err := c.memo.get(ctx, ref, func(ctx context.Context) (outcome[V], error) {
		s, err := c.client.Schema(ctx, ref)
		if err != nil {
			return outcome[V]{}, err
		}
		v, err := c.compile(ctx, s)
		if _, asked := errors.AsType[*Error](err); asked {
			return outcome[V]{}, err
		}
		return outcome[V]{v, err}, nil
	})
	if err != nil {
		return out.value, err
	}
	return out.value, out.err
}
