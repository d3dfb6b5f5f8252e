package client

import (
	"fmt"
	"strings"
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
	// A third of the letters may differ, and two in any case: beyond that a proposal only confuses.
	plain := plainName(name)
	best, bestCost := "", len(plain)/3+2
	for _, group := range params {
		for _, p := range group {
			if p.refuse != "" && len(p.allow) == 0 {
				continue // it would only be refused next
			}
			cost := editDistance(plain, plainName(p.name), bestCost)
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

// editDistance counts the insertions, deletions, replacements and swaps of neighbours that turn a
// into b. It gives up, returning limit, as soon as the answer cannot be below it.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	// The last three rows of the usual table are all that is ever looked at.
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			replace := old[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, old[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least >= limit {
			return limit
		}
		older, old, row = old, row, older
	}
	return min(old[len(b)], limit)
}
