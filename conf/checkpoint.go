package conf

import (
	"errors"
	"strings"
)

// ErrNoCheckpoint is why everything that depends on a checkpoint is refused.
var ErrNoCheckpoint = errors.New("needs a checkpoint; " +
	"durable checkpoints are not there yet in this version")

// needsCheckpoint is the one place that knows which values cannot be honoured without a durable
// checkpoint. It returns ErrNoCheckpoint for those and nil for every other.
func needsCheckpoint(name, value string) error {
	refuse := false
	switch name {
	case "spark.streaming.checkpoint.directory":
		refuse = value != ""
	case "spark.streaming.receiver.writeAheadLog.enable":
		refuse = strings.EqualFold(value, "true")
	case "weir.streaming.failedBatch":
		// A batch can be skipped only where the skip is written down for ever.
		refuse = strings.EqualFold(value, string(SkipFailed))
	}
	if refuse {
		return ErrNoCheckpoint
	}
	return nil
}
