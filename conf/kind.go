package conf

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A kind is how the values of one type are read from and written to text.
type kind[T any] struct {
	name string
	// parse reads trimmed text; bare is the unit of a number without one.
	parse  func(text, bare string) (T, error)
	format func(T) string
	// values are the words of an enumeration, nil for every other kind.
	values []string
}

var (
	bools   = kind[bool]{name: "bool", parse: parseBool, format: strconv.FormatBool}
	ints    = kind[int]{name: "int", parse: parseInt, format: strconv.Itoa}
	int64s  = kind[int64]{name: "int64", parse: parseInt64, format: formatInt64}
	floats  = kind[float64]{name: "float", parse: parseFloat, format: formatFloat}
	times   = kind[time.Duration]{name: "duration", parse: ParseDuration, format: formatDuration}
	sizes   = kind[Bytes]{name: "bytes", parse: ParseBytes, format: Bytes.String}
	texts   = kind[string]{name: "string", parse: parseText, format: formatText}
	lists   = kind[[]string]{name: "list", parse: parseList, format: formatList}
	masters = kind[Master]{name: "master", parse: parseMasterText, format: Master.String}
)

// rates are records per second, where everything at or below zero means "no limit", as in Spark: it
// reads as 0, so that a caller has one case to look at.
var rates = kind[int64]{name: "int64", format: formatInt64,
	parse: func(text, bare string) (int64, error) {
		n, err := parseInt64(text, bare)
		return max(n, 0), err
	}}

// oneOf is the kind of an enumeration. Its words are read in either case.
func oneOf[T ~string](values ...T) kind[T] {
	k := kind[T]{name: "enum", format: func(v T) string { return string(v) }}
	for _, v := range values {
		k.values = append(k.values, string(v))
	}
	k.parse = func(text, _ string) (T, error) {
		for _, v := range values {
			if strings.EqualFold(text, string(v)) {
				return v, nil
			}
		}
		return "", fmt.Errorf("must be one of %s", strings.Join(k.values, ", "))
	}
	return k
}

var errTooLarge = errors.New("the number is too large")

// numberError says in our words why strconv did not read a number.
func numberError(err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return errTooLarge
	}
	return errors.New("must be a whole number")
}

func parseBool(text, _ string) (bool, error) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

func parseInt(text, _ string) (int, error) {
	// Spark's are Java ints, and a file that runs there holds none wider than that.
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, numberError(err)
	}
	return int(n), nil
}

func parseInt64(text, _ string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, numberError(err)
	}
	return n, nil
}

func formatInt64(n int64) string { return strconv.FormatInt(n, 10) }

func parseFloat(text, _ string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("must be a decimal number such as 0.2")
	}
	return f, nil
}

func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func parseText(text, _ string) (string, error) { return text, nil }

func formatText(s string) string { return s }

func parseList(text, _ string) ([]string, error) {
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("must name at least one")
	}
	return out, nil
}

func formatList(items []string) string { return strings.Join(items, ",") }

func parseMasterText(text, _ string) (Master, error) { return ParseMaster(text) }

// The checks below say in words what a value must be. They are given parsed values.

func atLeast[T cmp.Ordered](low T) func(T) error {
	return func(v T) error {
		if v < low {
			return fmt.Errorf("must be at least %v", low)
		}
		return nil
	}
}

func between[T cmp.Ordered](low, high T) func(T) error {
	return func(v T) error {
		if v < low || v > high {
			return fmt.Errorf("must be from %v to %v", low, high)
		}
		return nil
	}
}

func above[T cmp.Ordered](low T) func(T) error {
	return func(v T) error {
		if v <= low {
			return fmt.Errorf("must be above %v", low)
		}
		return nil
	}
}

// wholeMilliseconds holds for every duration that becomes a batch time, whose unit is a millisecond.
func wholeMilliseconds(low time.Duration) func(time.Duration) error {
	return func(v time.Duration) error {
		if v < low || v%time.Millisecond != 0 {
			return fmt.Errorf("must be whole milliseconds, at least %s", formatDuration(low))
		}
		return nil
	}
}

func validRegexp(text string) error {
	if _, err := regexp.Compile(text); err != nil {
		return fmt.Errorf("must be a regular expression of Go's regexp package "+
			"(which has no look-ahead or back-reference): %w", err)
	}
	return nil
}
