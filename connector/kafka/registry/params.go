package registry

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/reference"
	"github.com/weirstream/weir/internal/spelling"
)

// settings is what the parameters come to.
type settings struct {
	urls           []string
	user, password string
	bearer         string
	headers        http.Header
	proxy          *url.URL
	tls            map[string]string // Kafka's ssl.*, for ServerTLS
	hostCheck      string            // https, or empty for none

	connectTimeout, readTimeout time.Duration // of one request
	timeout                     time.Duration // of a look-up, with all its requests
	retries                     int
	retryWait, retryWaitMax     time.Duration

	cacheLimit               int
	autoRegister, useLatest  bool
	normalize                bool
	keySubject, valueSubject subjectStrategy

	warnings []string
	ignored  []string

	// What more than one parameter decides; finish brings it together.
	basicSource, userInfo string
	proxyHost, proxyPort  string
}

// defaults are Java's, but for waiting: a Java client waits a minute where a batch engine has to say
// within seconds that something is wrong.
func defaults() *settings {
	return &settings{
		headers:        http.Header{},
		connectTimeout: 3 * time.Second,
		readTimeout:    5 * time.Second,
		timeout:        15 * time.Second,
		retries:        3,
		retryWait:      250 * time.Millisecond,
		retryWaitMax:   2 * time.Second,
		cacheLimit:     1000,
		autoRegister:   true,
		basicSource:    "URL",
		tls:            map[string]string{},
		hostCheck:      "https",
	}
}

// headerPrefix begins the names of parameters that are headers of each request.
const headerPrefix = "request.header."

// ourPrefixes begin names that only a schema registry's client and serializers have. A name of theirs
// that the table lacks is a mistake; any other name may be a Kafka client's and is passed over.
var ourPrefixes = []string{"schema.registry.", "basic.auth.", "bearer.auth."}

// parse follows the parameters in the order of their names, so that the same mistakes give the same
// text, and returns all mistakes together.
func parse(params map[string]string) (*settings, error) {
	s := defaults()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if err := s.follow(name, params[name]); err != nil {
			errs = append(errs, fmt.Errorf("schema registry client: %s: %w", name, err))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, s.finish()...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// follow does what one parameter says. Its error does not hold the value, which may be a secret.
func (s *settings) follow(name, given string) error {
	if header, ok := strings.CutPrefix(name, headerPrefix); ok {
		value, err := reference.Expand(given)
		if err == nil && header != "" {
			s.headers.Set(header, value)
		}
		return err
	}
	row, ok := table[name]
	if !ok {
		return unknown(name)
	}
	value, err := reference.Expand(given)
	if err != nil {
		return err
	}
	value = strings.TrimSpace(value)
	switch {
	case row.set != nil:
		if value == "" && !row.empty {
			return nil // as if it were not there, which is how Java's defaults read
		}
		return row.set(s, value)
	case row.refuse != "" && !slices.Contains(row.allow, strings.TrimPrefix(value, "class ")):
		return errors.New(row.refuse)
	case row.why != "":
		s.ignored = append(s.ignored, name+" ("+row.why+")")
	}
	return nil
}

// unknown is nil for a name that may be a Kafka client's.
func unknown(name string) error {
	near, distance := nearest(name)
	for _, prefix := range ourPrefixes {
		if strings.HasPrefix(name, prefix) {
			return fmt.Errorf("no such setting; the nearest is %s", near)
		}
	}
	if distance <= 2 {
		return fmt.Errorf("no such setting; did you mean %s?", near)
	}
	return nil
}

// finish brings together what several parameters decide, and checks that nothing needed is missing.
func (s *settings) finish() []error {
	if len(s.urls) == 0 {
		return []error{errors.New("schema registry client: schema.registry.url is not set: " +
			"give the registry's address, such as http://registry:8081, several separated by commas")}
	}
	var errs []error
	for _, step := range []func() error{s.finishCredentials, s.finishProxy} {
		if err := step(); err != nil {
			errs = append(errs, fmt.Errorf("schema registry client: %w", err))
		}
	}
	if s.user+s.password+s.bearer != "" {
		for _, u := range s.urls {
			if strings.HasPrefix(u, "http://") {
				s.warnings = append(s.warnings, "credentials go to "+u+" in clear text: use https")
			}
		}
	}
	if s.useLatest && s.autoRegister {
		s.warnings = append(s.warnings, "use.latest.version has no effect while auto.register.schemas is true: "+
			"set the latter to false")
	}
	if s.hostCheck == "" {
		s.warnings = append(s.warnings, "schema.registry.ssl.endpoint.identification.algorithm is empty: "+
			"any certificate of a trusted CA is taken, whatever its host")
	}
	return errs
}

// finishCredentials takes user and password out of the URLs, where they must not stay because URLs are
// printed, and applies basic.auth.credentials.source.
func (s *settings) finishCredentials() error {
	var inURL string
	for i, raw := range s.urls {
		u, err := url.Parse(raw)
		if err != nil { // setURLs has parsed it before
			return errors.New("schema.registry.url: malformed")
		}
		if u.User == nil {
			continue
		}
		password, _ := u.User.Password()
		info := u.User.Username() + ":" + password
		if inURL != "" && inURL != info {
			return errors.New("schema.registry.url: the URLs have different users: one registry has one; " +
				"set basic.auth.credentials.source=USER_INFO and basic.auth.user.info")
		}
		inURL, u.User = info, nil
		s.urls[i] = u.String()
	}
	info := inURL
	if s.basicSource == "USER_INFO" {
		if s.userInfo == "" {
			return errors.New("basic.auth.user.info is not set, and basic.auth.credentials.source is USER_INFO: " +
				"set it to user:password")
		}
		info = s.userInfo
	} else if s.userInfo != "" {
		return errors.New("basic.auth.user.info is set, and basic.auth.credentials.source is URL: " +
			"set basic.auth.credentials.source=USER_INFO")
	}
	if info == "" {
		return nil
	}
	if s.bearer != "" {
		return errors.New("both bearer.auth.token and a user for basic authentication are set: remove one of them")
	}
	var ok bool
	if s.user, s.password, ok = strings.Cut(info, ":"); !ok || s.user == "" {
		return errors.New("basic.auth.user.info: write user:password")
	}
	return nil
}

func (s *settings) finishProxy() error {
	switch {
	case s.proxyHost == "" && s.proxyPort == "":
		return nil
	case s.proxyHost == "" || s.proxyPort == "":
		return errors.New("proxy.host and proxy.port belong together: set both")
	}
	s.proxy = &url.URL{Scheme: "http", Host: s.proxyHost + ":" + s.proxyPort}
	return nil
}

// nearest returns the table's name that is most like another, and how many letters differ.
func nearest(name string) (near string, distance int) {
	distance = len(name) + 1
	for _, known := range slices.Sorted(maps.Keys(table)) {
		if d := spelling.Distance(name, known); near == "" || d < distance {
			near, distance = known, d
		}
	}
	return near, distance
}
