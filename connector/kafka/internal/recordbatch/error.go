package recordbatch

import "fmt"

// A Kind says what is wrong with an entry of a record set.
type Kind uint8

const (
	// BadCRC: the bytes are not those that were written.
	BadCRC Kind = iota + 1
	// BadLength: a length or count field cannot be right.
	BadLength
	// BadOffset: an offset is negative, overflows, lies outside its batch or does not increase.
	BadOffset
	// BadRecord: a record, a message or a header is malformed within its entry.
	BadRecord
	// UnknownMagic: the message format is not 0, 1 or 2.
	UnknownMagic
	// UnknownCodec: the compression codec is none of none, gzip, snappy, lz4 and zstd.
	UnknownCodec
	// BadCompression: the compressed bytes cannot be decompressed.
	BadCompression
	// TooLarge: the entry would decompress to more than the limit of its [Decompressors].
	TooLarge
)

// kinds holds a name and a remedy for each Kind, in the order of the constants.
var kinds = [...]struct{ name, remedy string }{
	BadCRC:         {"bad CRC", again},
	BadLength:      {"bad length", again},
	BadOffset:      {"bad offset", writer},
	BadRecord:      {"bad record", writer},
	UnknownMagic:   {"unknown message format", "read the topic with a client that knows this format"},
	UnknownCodec:   {"unknown codec", "read the topic with a client that knows this codec"},
	BadCompression: {"cannot decompress", writer},
	TooLarge: {"too large when decompressed", "raise weir.kafka.maxDecompressedBatch if the topic really " +
		"holds such batches"},
}

const (
	again = "fetch it again, and if it stays so, dump the broker's log segment, for it is damaged there"
	// What a right CRC covers was written like this by the producer, or by the broker when it
	// converted; but offsets in entry headers are outside of every CRC, so one more fetch is due.
	writer = "fetch it again, and if it stays so, it was written like this: look at its producer"
)

// String names the kind in a few words.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kinds) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return kinds[k].name
}

// An Error says which entry of a record set cannot be read and why. It names neither topic nor
// partition, for the set does not: the caller adds them.
type Error struct {
	Kind Kind
	// BaseOffset is the offset in the entry's header: the first offset of a record batch, the last
	// one of a wrapper message.
	BaseOffset int64
	// Position is where the entry begins in the record set, in bytes.
	Position int
	// Detail says what was found and what was expected.
	Detail string
	// Err is the decompressor's error, if that is the cause.
	Err error
}

// Error gives the place, the fault and the remedy.
func (e *Error) Error() string {
	s := fmt.Sprintf("record batch at offset %d (byte %d of the fetched set): %v: %s",
		e.BaseOffset, e.Position, e.Kind, e.Detail)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Kind > 0 && int(e.Kind) < len(kinds) {
		s += "; " + kinds[e.Kind].remedy
	}
	return s
}

// Unwrap gives the decompressor's error, or nil.
func (e *Error) Unwrap() error { return e.Err }
