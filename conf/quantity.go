package conf

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes is an amount of memory, disk or traffic.
type Bytes int64

// String writes b as Spark's settings are written: "512m", "1g", "100b".
func (b Bytes) String() string {
	for i := len(byteUnits) - 1; i > 0; i-- {
		if u := byteUnits[i]; b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.names[0]
		}
	}
	return strconv.FormatInt(int64(b), 10) + "b"
}

// A unit is a suffix, with its other spellings, and what it stands for.
type unit struct {
	size  int64
	names []string
}

// The suffixes are Spark's. Sizes are powers of 1024, and "m" is a minute among durations and a
// mebibyte among sizes, as there. Both tables go from small to large.
var (
	byteUnits = []unit{
		{1, []string{"b"}},
		{1 << 10, []string{"k", "kb"}},
		{1 << 20, []string{"m", "mb"}},
		{1 << 30, []string{"g", "gb"}},
		{1 << 40, []string{"t", "tb"}},
		{1 << 50, []string{"p", "pb"}},
	}
	timeUnits = []unit{
		{int64(time.Microsecond), []string{"us"}},
		{int64(time.Millisecond), []string{"ms"}},
		{int64(time.Second), []string{"s"}},
		{int64(time.Minute), []string{"min", "m"}},
		{int64(time.Hour), []string{"h"}},
		{24 * int64(time.Hour), []string{"d"}},
	}
)

// ParseBytes reads a size as Spark writes it: a whole number with b, k, m, g, t or p (or kb, mb, ...),
// in either case, in steps of 1024. A bare number is in the given unit, one of those suffixes.
func ParseBytes(text, bare string) (Bytes, error) {
	n, err := parseQuantity(text, bare, byteUnits)
	if err == nil && n < 0 {
		err = errors.New("a size cannot be negative")
	}
	if err != nil {
		return 0, fmt.Errorf("not a size such as 512m, 8k or 1g: %w", err)
	}
	return Bytes(n), nil
}

// ParseDuration reads a duration as Spark writes it: a whole number with us, ms, s, m or min, h or d,
// in either case. A bare number is in the given unit, one of those suffixes. The result may be
// negative.
func ParseDuration(text, bare string) (time.Duration, error) {
	n, err := parseQuantity(text, bare, timeUnits)
	if err != nil {
		return 0, fmt.Errorf("not a duration such as 200ms, 5s, 2min or 1h: %w", err)
	}
	return time.Duration(n), nil
}

// formatDuration writes d in the largest unit that divides it, so that ParseDuration reads it back.
// Durations finer than a microsecond have no such form; no default is.
func formatDuration(d time.Duration) string {
	for i := len(timeUnits) - 1; i >= 0; i-- {
		if u := timeUnits[i]; d != 0 && int64(d)%u.size == 0 {
			return strconv.FormatInt(int64(d)/u.size, 10) + u.names[0]
		}
	}
	if d == 0 {
		return "0s"
	}
	return d.String()
}

func parseQuantity(text, bare string, units []unit) (int64, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	suffix := s[len(digits):]
	if suffix == "" {
		suffix = bare
	}
	size := int64(0)
	for _, u := range units {
		for _, name := range u.names {
			if name == suffix {
				size = u.size
			}
		}
	}
	switch {
	case s == "":
		return 0, errors.New("it is empty")
	case digits == "":
		return 0, errors.New("it has no number")
	case size == 0:
		return 0, fmt.Errorf("unknown unit %q", suffix)
	case strings.HasPrefix(digits, "+"):
		return 0, errors.New("a number has no plus sign here")
	case strings.ContainsAny(digits, ".,"):
		return 0, errors.New("fractions are not allowed, use a smaller unit")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, numberError(err)
	}
	if n > math.MaxInt64/size || n < -math.MaxInt64/size {
		return 0, errTooLarge
	}
	return n * size, nil
}
