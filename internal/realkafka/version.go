package realkafka

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kversion"
)

// Versions returns the releases that weir's tests run against, oldest first: two that can only be read, what
// Tencent's CKafka ran and runs, and the newest. Start takes other releases as well.
func Versions() []string {
	return []string{"0.8.2.2", "0.9.0.1", "0.10.2.1", "1.1.1", "2.4.1", "2.8.1", "3.2.3", "4.4.0"}
}

// atLeast says whether the release version is least or a later one. A part that is no number counts as 0.
func atLeast(version, least string) bool {
	return slices.Compare(parts(version), parts(least)) >= 0
}

func parts(version string) []int {
	var ps []int
	for s := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(s)
		ps = append(ps, n)
	}
	return ps
}

// maxVersions returns the protocol versions that franz-go must be held to, or nil: brokers before 0.10 do not
// answer the question which versions they know, and close the connection.
func maxVersions(version string) *kversion.Versions {
	switch {
	case !atLeast(version, "0.9"):
		return kversion.V0_8_2()
	case !atLeast(version, "0.10"):
		return kversion.V0_9_0()
	}
	return nil
}
