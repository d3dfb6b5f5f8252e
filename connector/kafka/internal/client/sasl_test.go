package client

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sasl"
)

func TestParseJAAS(t *testing.T) {
	tests := []struct {
		text, class string
		options     map[string]string
	}{
		{"org.apache.kafka.common.security.plain.PlainLoginModule required " +
			`username="ckafka-ab12cd#alice" password="p";`,
			"PlainLoginModule", map[string]string{"username": "ckafka-ab12cd#alice", "password": "p"}},
		{"a.b.X\n  required\n  u='it''s'\n;", "", nil},
		{`X optional u='say "hi"' p="it's";`, "X", map[string]string{"u": `say "hi"`, "p": "it's"}},
		{`X required p="a\"b\\c\td\101\7\477" ;  `, "X", map[string]string{"p": "a\"b\\c\tdA\a'7"}},
		{`X required debug=true n = 5 ;`, "X", map[string]string{"debug": "true", "n": "5"}},
		{`X required /* = ; " */ a="1" // ;` + "\n" + `b="2";`, "X", map[string]string{"a": "1", "b": "2"}},
		{`X required a="x;y=z"`, "X", map[string]string{"a": "x;y=z"}},
		{`X required;`, "X", map[string]string{}},
		{`X REQUIRED a="";`, "X", map[string]string{"a": ""}},
	}
	for _, tt := range tests {
		m, err := parseJAAS(tt.text)
		if tt.class == "" {
			if err == nil {
				t.Errorf("%q was accepted", tt.text)
			}
			continue
		}
		if err != nil || m.short() != tt.class || len(m.options) != len(tt.options) {
			t.Errorf("%q: %+v, %v", tt.text, m, err)
			continue
		}
		for k, v := range tt.options {
			if got := m.options[k].reveal(); got != v {
				t.Errorf("%q: %s is %q, want %q", tt.text, k, got, v)
			}
		}
	}
}

func TestParseJAASErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "class of a login module",
		"X":                                "after the class",
		`X username="a";`:                  "control flag",
		`X required username;`:             "name=value",
		`X required ="a";`:                 "name=value",
		`X required password="hunter2`:     "closing quote",
		`X required password="hunter2\`:    "closing quote",
		`X required password=;`:            "no value for password",
		`X required a="1" a="2";`:          "twice",
		`X required a="1"; Y required;`:    "exactly one",
		`X required password=hun;ter2;`:    "quotes around",
		`X required password="a"b"hunter2`: "name=value",
	} {
		_, err := parseJAAS(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestSASLSettings(t *testing.T) {
	const plainModule = `x.PlainLoginModule required username="a" password="b";`
	tests := []struct {
		name   string
		params []string
		want   string // "" is accepted
	}{
		{"default", nil, "GSSAPI"},
		{"module without mechanism", []string{"sasl.jaas.config", plainModule}, "PlainLoginModule"},
		{"Kerberos", []string{"sasl.mechanism", "GSSAPI", "sasl.kerberos.service.name", "kafka"},
			"PLAIN, SCRAM-SHA-256"},
		{"unknown", []string{"sasl.mechanism", "AWS_MSK_IAM"}, `"AWS_MSK_IAM" is not supported`},
		{"no module", []string{"sasl.mechanism", "PLAIN"}, "needs a PlainLoginModule"},
		{"wrong module", []string{"sasl.mechanism", "SCRAM-SHA-256", "sasl.jaas.config", plainModule},
			"needs ScramLoginModule"},
		{"no password", []string{"sasl.mechanism", "PLAIN", "sasl.jaas.config",
			`x.PlainLoginModule required username="a";`},
			"no password"},
		{"good", []string{"sasl.mechanism", "plain", "sasl.jaas.config", plainModule}, ""},
		{"token", []string{"sasl.mechanism", "SCRAM-SHA-512", "sasl.jaas.config",
			`x.ScramLoginModule required username="a" password="b" tokenauth="true";`}, ""},
		{"OAuth without endpoint", []string{"sasl.mechanism", "OAUTHBEARER", "sasl.jaas.config",
			`x.OAuthBearerLoginModule required clientId="a" clientSecret="b";`}, "token.endpoint.url"},
		{"OAuth unsecured", []string{"sasl.mechanism", "OAUTHBEARER", "sasl.jaas.config",
			`x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="a";`}, "unsecured"},
		{"OAuth bad endpoint", []string{"sasl.mechanism", "OAUTHBEARER",
			"sasl.oauthbearer.token.endpoint.url", "ftp://x"},
			"http(s)"},
		{"OAuth without secret", []string{"sasl.mechanism", "OAUTHBEARER",
			"sasl.oauthbearer.token.endpoint.url", "http://x"},
			"clientSecret"},
		{"OAuth option", []string{"sasl.mechanism", "OAUTHBEARER",
			"sasl.oauthbearer.token.endpoint.url", "http://x", "sasl.jaas.config",
			`x.OAuthBearerLoginModule required clientId="a" clientSecret="b" ssl.truststore.locatio="c";`},
			"did you mean ssl.truststore.location?"},
		{"OAuth handler", []string{"sasl.login.callback.handler.class", "com.x.Y"}, "Java class"},
		{"secret in no file", []string{"sasl.mechanism", "PLAIN", "sasl.jaas.config",
			`x.PlainLoginModule required username="a" password="${file:/nowhere}";`}, "option password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Parse(with(append(tt.params, "security.protocol", "SASL_SSL")...), Consumer)
			if err == nil {
				_, err = Options(cfg)
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(),
				tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// mechanism returns what parameters sign in with.
func mechanism(t *testing.T, params ...string) sasl.Mechanism {
	t.Helper()
	cfg := mustParse(t, Consumer, with(append(params, "security.protocol", "SASL_SSL", "sasl.mechanism",
		"OAUTHBEARER")...))
	m, err := cfg.sasl.load()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOAuthEndpoint(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("id:se%3Acret"))
		if r.Header.Get("Authorization") != basic || string(body) != "grant_type=client_credentials&scope=s" {
			http.Error(w, `{"error":"invalid_client","error_description":"no"}`, http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"tok","expires_in":3600}`)
	}))
	defer server.Close()
	params := []string{"sasl.oauthbearer.token.endpoint.url", server.URL,
		"sasl.oauthbearer.header.urlencode", "true",
		"sasl.jaas.config", `x.OAuthBearerLoginModule required clientId="id" clientSecret="se:cret" ` +
			`scope="s" extension_logicalCluster="lkc";`}
	m := mechanism(t, params...)
	for range 2 {
		_, first, err := m.Authenticate(t.Context(), "broker:1")
		want := "n,,\x01auth=Bearer tok\x01logicalCluster=lkc\x01\x01"
		if err != nil || string(first) != want {
			t.Fatalf("got %q, %v", first, err)
		}
	}
	if calls.Load() != 1 {
		t.Errorf("the endpoint was asked %d times, not once", calls.Load())
	}
	// A broker that refuses the token makes the next connection fetch another.
	session, _, _ := m.Authenticate(t.Context(), "broker:1")
	_, _, err := session.Challenge([]byte(`{"status":"invalid_token"}`))
	wantError(t, err, AuthenticationFailed, "broker:1", "invalid_token")
	if _, _, err := m.Authenticate(t.Context(), "broker:1"); err != nil || calls.Load() != 2 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
	// The newer parameters win over the module's options.
	m = mechanism(t, append(params, "sasl.oauthbearer.client.credentials.client.secret", "wrong")...)
	_, _, err = m.Authenticate(t.Context(), "broker:1")
	wantError(t, err, TokenFailed, server.URL, "401", "invalid_client: no", "token.endpoint.url")
}

func TestOAuthEndpointErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"not JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>")
		}, "not JSON but text/html"},
		"no token": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
			"no access_token"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusTemporaryRedirect)
		}, "307"},
	} {
		server := httptest.NewServer(tt.answer)
		m := mechanism(t, "sasl.oauthbearer.token.endpoint.url", server.URL,
			"sasl.oauthbearer.client.credentials.client.id",
			"id", "sasl.oauthbearer.client.credentials.client.secret", "hunter2")
		_, _, err := m.Authenticate(t.Context(), "b:1")
		wantError(t, err, TokenFailed, tt.want)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the secret shows: %v", name, err)
		}
		server.Close()
	}
	// An endpoint that never answers is given up.
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	m := mechanism(t, "sasl.oauthbearer.token.endpoint.url", server.URL, "sasl.login.read.timeout.ms", "1",
		"sasl.login.connect.timeout.ms", "50", "sasl.oauthbearer.client.credentials.client.id", "id",
		"sasl.oauthbearer.client.credentials.client.secret", "x")
	_, _, err := m.Authenticate(context.Background(), "b:1")
	wantError(t, err, TokenFailed, server.URL, "deadline")
}

// The endpoint's certificate is checked against the login module's own trust store.
func TestOAuthEndpointTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"tok"}`)
	}))
	defer server.Close()
	get := func(options string) error {
		m := mechanism(t, "sasl.oauthbearer.token.endpoint.url", server.URL, "sasl.jaas.config",
			`x.OAuthBearerLoginModule required clientId="id" clientSecret="x" `+options+`;`)
		_, _, err := m.Authenticate(t.Context(), "b:1")
		return err
	}
	wantError(t, get(""), TokenFailed, "unknown authority")
	ca := writeFile(t, "ca.pem", []byte(certPEM(server.Certificate())))
	if err := get(`ssl.truststore.location="` + ca + `"`); err != nil {
		t.Error(err)
	}
}

func TestOAuthFile(t *testing.T) {
	m := mechanism(t, "sasl.oauthbearer.token.endpoint.url", "file://"+writeFile(t, "token", []byte("tok\n")))
	if _, first, err := m.Authenticate(t.Context(), "b:1"); err != nil ||
		string(first) != "n,,\x01auth=Bearer tok\x01\x01" {
		t.Errorf("got %q, %v", first, err)
	}
	m = mechanism(t, "sasl.oauthbearer.token.endpoint.url", "file://"+writeFile(t, "empty", nil))
	_, _, err := m.Authenticate(t.Context(), "b:1")
	wantError(t, err, TokenFailed, "empty")
}

func FuzzJAAS(f *testing.F) {
	f.Add(`X required a="\377" b=c; // d`)
	f.Add(`X required /* a='`)
	f.Add(`X required a="\`)
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseJAAS(text); err == nil && m.class == "" {
			t.Error("no class and no error")
		}
	})
}
