package codec

import "sync"

// scratch lends buffers for bytes that are read at once: to types' own methods and to protobuf, whose
// output is copied behind the caller's bytes, and to keys that are hashed. A buffer that is too small
// stays as it is, and others allocate, so that one huge record does not hold memory for ever.
var scratch = sync.Pool{New: func() any {
	b := make([]byte, 0, scratchSize)
	return &b
}}

const scratchSize = 1024
