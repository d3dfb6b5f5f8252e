package client

import (
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A bootstrap address is only ever dialled, so all that is checked is that it can be: a name that does not
// resolve is found out by Open, where it can be told from a network that is away.

// parseAddress reads one bootstrap address as Kafka does: host:port, [v6]:port, and with a listener's
// name in front (SASL_SSL://host:port), which is dropped.
func parseAddress(text string) (string, error) {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text = rest
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return "", errors.New("is not host:port: write it as broker1:9092, or [::1]:9092")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", errors.New("its port is not a number from 1 to 65535")
	}
	// A user's name or a path here is mostly a URL of something else, pasted.
	if strings.ContainsAny(host, " \t/@?#") {
		return "", errors.New("its host has characters that no host name has")
	}
	return net.JoinHostPort(host, port), nil
}

var isoDuration = regexp.MustCompile(
	`^([-+]?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,9}))?S)?)?$`)

// parseISODuration reads java.time.Duration's text, PnDTnHnMn.nS. Kafka refuses negative ones.
func parseISODuration(text string) (time.Duration, error) {
	bad := errors.New("must be an ISO 8601 duration such as P7D or PT1H30M, not negative and at most 100 years")
	m := isoDuration.FindStringSubmatch(strings.ToUpper(text))
	if m == nil || m[1] == "-" || m[2]+m[3]+m[4]+m[5] == "" || strings.HasSuffix(strings.ToUpper(text), "T") {
		return 0, bad
	}
	// Beyond this a Duration would overflow; no log goes back that far.
	const most = 100 * 366 * 24 * time.Hour
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+2] == "" {
			continue
		}
		n, err := strconv.ParseInt(m[i+2], 10, 64)
		if err != nil || n > int64(most/unit) {
			return 0, bad
		}
		total += time.Duration(n) * unit
	}
	if m[6] != "" {
		nanos, err := strconv.Atoi((m[6] + "00000000")[:9])
		if err != nil {
			return 0, bad
		}
		total += time.Duration(nanos)
	}
	if total > most {
		return 0, bad
	}
	return total, nil
}
