package client

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"

	"github.com/weirstream/weir/internal/reference"
)

// tokenLimit bounds an endpoint's answer.
const tokenLimit = 1 << 20

// tokenSource signs in with OAUTHBEARER. Its token comes from a file, which is read each time, or from
// an endpoint by the client-credentials grant; the latter is kept for four fifths of its life.
type tokenSource struct {
	endpoint   *url.URL
	form       url.Values
	basic      secret // the Authorization header
	extensions map[string]string
	client     *http.Client
	limit      time.Duration

	mu    sync.Mutex // never held while a token is fetched: two connections may fetch one each
	token secret
	until time.Time
}

// newTokenSource takes its settings from the parameters, or from the login module's options, which is
// where they were before Kafka 4.1.
func newTokenSource(s *saslSettings, options map[string]string) (*tokenSource, error) {
	const name = "sasl.oauthbearer.token.endpoint.url"
	u, err := url.Parse(s.tokenURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file" {
		return nil, &ParamError{name, "must be an http(s) address, or file:///path of a file with a token"}
	}
	t := &tokenSource{endpoint: u, extensions: map[string]string{}}
	// SASL extensions: some clouds tell their tenants apart by them.
	for option, v := range options {
		if rest, ok := strings.CutPrefix(option, "extension_"); ok {
			t.extensions[rest] = v
		}
	}
	if u.Scheme == "file" {
		return t, nil
	}
	id := cmp.Or(s.clientID, options["clientId"])
	key := cmp.Or(s.clientSecret.reveal(), options["clientSecret"])
	if id == "" || key == "" {
		return nil, &ParamError{jaasName, "needs clientId and clientSecret (or sasl.oauthbearer.client." +
			"credentials.client.id and .client.secret) to ask " + u.Redacted() + " for a token"}
	}
	if s.urlEncode {
		id, key = url.QueryEscape(id), url.QueryEscape(key)
	}
	t.basic = secret("Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+key)))
	// The secret goes into the header, never into the form, which servers log.
	t.form = url.Values{"grant_type": {"client_credentials"}}
	if scope := cmp.Or(s.scope, options["scope"]); scope != "" {
		t.form.Set("scope", scope)
	}
	// As in Java, the ssl.* parameters are the brokers' alone; those for the endpoint are options of the login module.
	secured, _, err := ServerTLS("", options)
	if err != nil {
		return nil, &ParamError{jaasName, "its ssl options: " + err.Error()}
	}
	connect := cmp.Or(s.connectTimeout, 5*time.Second)
	t.limit = connect + cmp.Or(s.readTimeout, 5*time.Second)
	t.client = &http.Client{
		// No connection is kept, so that none is left behind when the Kafka client is closed.
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: connect}).DialContext,
			TLSClientConfig:     secured,
			TLSHandshakeTimeout: connect,
			DisableKeepAlives:   true,
		},
		// A redirect would carry the client's secret to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return t, nil
}

// Name is the mechanism's name on the wire.
func (t *tokenSource) Name() string { return "OAUTHBEARER" }

// Authenticate begins a session with a fresh or kept token.
func (t *tokenSource) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	token, err := t.get(ctx)
	if err != nil {
		return nil, nil, &Error{Kind: TokenFailed, Place: t.endpoint.Redacted(),
			Text:   "no OAuth token could be had to sign in to " + host,
			Remedy: "check sasl.oauthbearer.token.endpoint.url, the client's id, secret and scope", Err: err}
	}
	session, first, err := oauth.Auth{Token: token.reveal(), Extensions: t.extensions}.AsMechanism().
		Authenticate(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	return tokenSession{session, host, t}, first, nil
}

// tokenSession adds what a broker says when it does not like a token; the protocol lets it say so in a
// challenge, before the error itself.
type tokenSession struct {
	sasl.Session
	host   string
	source *tokenSource
}

func (s tokenSession) Challenge(answer []byte) (done bool, next []byte, err error) {
	done, next, err = s.Session.Challenge(answer)
	if err == nil || len(answer) == 0 {
		return done, next, err
	}
	s.source.forget()
	return false, nil, &Error{Kind: AuthenticationFailed, Place: s.host,
		Text:   fmt.Sprintf("the broker does not accept the OAuth token: %.200q", answer),
		Remedy: "check that the token's audience, issuer and scope are those the broker expects"}
}

func (t *tokenSource) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = ""
}

// kept is the token at hand, or "".
func (t *tokenSource) kept() secret {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return t.token
	}
	return ""
}

func (t *tokenSource) keep(token secret, life time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.until = token, time.Now().Add(life)
}

func (t *tokenSource) get(ctx context.Context) (secret, error) {
	if t.endpoint.Scheme == "file" {
		// Read every time: whoever put the file there replaces it before the token in it expires.
		b, err := reference.ReadSmall(t.endpoint.Path)
		if err != nil {
			return "", err
		}
		token := strings.TrimSpace(string(b))
		if token == "" {
			return "", fmt.Errorf("%s is empty", t.endpoint.Path)
		}
		return secret(token), nil
	}
	if token := t.kept(); token != "" {
		return token, nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	token, seconds, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	// A token of unknown life is not kept: asking once more is cheaper than being refused.
	if seconds > 0 {
		t.keep(token, time.Duration(min(seconds, 1e6)*0.8*float64(time.Second)))
	}
	return token, nil
}

// fetch asks the endpoint once. Kafka's client signs in to the broker again when that fails.
func (t *tokenSource) fetch(ctx context.Context) (token secret, seconds float64, err error) {
	body := strings.NewReader(t.form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint.String(), body)
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Authorization", t.basic.reveal())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return "", 0, withoutAddress(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, tokenLimit))
	if err != nil {
		return "", 0, fmt.Errorf("its answer was cut short: %w", err)
	}
	var out struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"`
		Error       string  `json:"error"`
		Description string  `json:"error_description"`
	}
	// A refusal, too, is JSON mostly; what it says is worth more than its number.
	bad := json.Unmarshal(answer, &out)
	if resp.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("it answered %s%s", resp.Status, oauthProblem(out.Error, out.Description))
	}
	if bad != nil {
		kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		return "", 0, fmt.Errorf("its answer is not JSON but %s", cmp.Or(kind, "of no type"))
	}
	if out.AccessToken == "" {
		return "", 0, errors.New("its answer has no access_token")
	}
	return secret(out.AccessToken), out.ExpiresIn, nil
}

// oauthProblem is what the endpoint says (RFC 6749, 5.2), cut to a length that fits into a log line.
func oauthProblem(code, description string) string {
	if code == "" {
		return ""
	}
	if description == "" {
		return fmt.Sprintf(" (%.100s)", code)
	}
	return fmt.Sprintf(" (%.100s: %.200s)", code, description)
}

// withoutAddress takes the URL out of an error of net/http, which may hold a password; the place is
// said elsewhere.
func withoutAddress(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
