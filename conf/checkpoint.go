package conf

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoCheckpoint is why everything that depends on a checkpoint is refused.
var ErrNoCheckpoint = errors.New("needs a part of checkpoints that is not there yet in this version")

// needsCheckpoint is the one place that knows which values cannot be honoured without a durable
// checkpoint. It returns ErrNoCheckpoint with what to do instead for those, and nil for every other.
func needsCheckpoint(name, value string) error {
	instead := ""
	switch {
	case name == "spark.streaming.receiver.writeAheadLog.enable" && strings.EqualFold(value, "true"):
		instead = "leave it out: what receivers hold is then lost if the process dies"
	}
	if instead == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNoCheckpoint, instead)
}
