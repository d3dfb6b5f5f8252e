package codec

import "sync"

// scratch lends buffers to code that is not ours: to types' own methods and to protobuf. What they
// write is copied behind the caller's bytes. A buffer that is too small stays as it is, and the
// method allocates, so that one huge record does not hold memory for ever.
var scratch = sync.Pool{New: func() any {
	b := make([]byte, 0, scratchSize)
	return &b
}}

const scratchSize = 1024
