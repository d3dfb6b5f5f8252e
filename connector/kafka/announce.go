package kafka

import (
	"log/slog"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// announce says what there is to say once about the parameters of a client that was opened: what is weaker, or other,
// than it looks, and what has no effect here. Whatever opens a client calls it.
func announce(log *slog.Logger, c *client.Client) {
	for _, w := range c.Warnings() {
		log.Warn(w)
	}
	if line := c.Config().Summary(); line != "" {
		log.Info(line)
	}
}
