package block

import (
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strconv"
)

// fallback is what a machine is taken to have that does not say how much memory it has.
const fallback = 4 << 30

// Available is the memory that this process may use: GOMEMLIMIT, else the limit of its control group, else what the
// machine has.
func Available() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit
	}
	least := int64(math.MaxInt64)
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if n, ok := number(file, ""); ok {
			least = min(least, n)
		}
	}
	if kib, ok := number("/proc/meminfo", "MemTotal:"); ok {
		least = min(least, kib<<10)
	}
	if least == math.MaxInt64 {
		return fallback
	}
	return least
}

// number reads the first number of a file after a word.
func number(file, after string) (int64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	at := bytes.Index(data, []byte(after))
	if at < 0 {
		return 0, false
	}
	fields := bytes.Fields(data[at+len(after):])
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64) // "max" is no number: there is no limit
	return n, err == nil && n > 0
}
