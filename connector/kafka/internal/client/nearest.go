package client

import (
	"fmt"
	"strings"

	"github.com/weirstream/weir/internal/spelling"
)

// nearest is the end of an error about an unknown name: the known name that the user most likely
// meant, or nothing if none is near. Names for the role at hand are preferred.
func nearest(name string, role Role) string {
	if strings.HasPrefix(name, "kafka.") {
		if row(name[len("kafka."):]) != nil {
			return fmt.Sprintf("; did you mean %s? (the prefix kafka. is Structured Streaming's)",
				name[len("kafka."):])
		}
	}
	if strings.HasPrefix(name, "spark.") {
		return ": settings of the engine belong into its configuration, not into the Kafka parameters"
	}
	// A third of the letters may differ, and one in any case: beyond that a proposal only confuses.
	plain := plainName(name)
	best, bestCost := "", len(plain)/3+2
	for _, group := range params {
		for _, p := range group {
			if p.refuse != "" && len(p.allow) == 0 {
				continue // it would only be refused next
			}
			cost := spelling.Distance(plain, plainName(p.name))
			if p.roles&role == 0 { // of two that are equally near, the one that would act
				cost++
			}
			if cost < bestCost {
				best, bestCost = p.name, cost
			}
		}
	}
	if best == "" {
		return ": the names are those of Kafka's Java clients; remove it, or correct it"
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// plainName takes away what people vary: case and separators, so bootstrapServers and
// BOOTSTRAP_SERVERS come out like bootstrap.servers.
func plainName(name string) string {
	return strings.NewReplacer(".", "", "_", "", "-", "", " ", "").Replace(strings.ToLower(name))
}
