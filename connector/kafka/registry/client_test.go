package registry_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/weirstream/weir/connector/kafka/registry"
	"github.com/weirstream/weir/connector/kafka/registry/registrytest"
)

const orderSchema = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}`

// client makes a Client for a registry in memory, with more settings in pairs.
func client(t *testing.T, s *registrytest.Server, more ...string) *registry.Client {
	t.Helper()
	params := map[string]string{"schema.registry.url": s.URL, "retries.wait.ms": "10"}
	for pair := range slices.Chunk(more, 2) {
		params[pair[0]] = pair[1]
	}
	var opts []registry.Option
	if strings.Contains(s.URL, "registry.test") {
		opts = append(opts, registry.Dial(s.Dial))
	}
	c, err := registry.New(params, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSchemaByIDAndByGUID(t *testing.T) {
	reg := registrytest.Start(t)
	reg.Register("money-value", "AVRO", `{"type":"record","name":"Money","fields":[]}`)
	money := registrytest.Reference{Name: "Money", Subject: "money-value", Version: 1}
	id := reg.Register("orders-value", "PROTOBUF", `syntax = "proto3";`, money)
	c := client(t, reg)

	want := registry.Schema{ID: id, Type: registry.Protobuf, Text: `syntax = "proto3";`,
		References: []registry.Reference{{Name: "Money", Subject: "money-value", Version: 1}}}
	got, err := c.Schema(t.Context(), registry.Ref{ID: id})
	if err != nil || !equal(got, want) {
		t.Errorf("by id: %+v, %v, want %+v", got, err, want)
	}
	want.ID = 0 // the API does not say it
	got, err = c.Schema(t.Context(), registry.Ref{GUID: reg.GUID(id)})
	if err != nil || !equal(got, want) {
		t.Errorf("by GUID: %+v, %v, want %+v", got, err, want)
	}
	for range 3 {
		if _, err := c.Schema(t.Context(), registry.Ref{ID: id}); err != nil {
			t.Error(err)
		}
	}
	if got := reg.Requests(); len(got) != 2 {
		t.Errorf("asked %q, want one request each", got)
	}
}

func equal(a, b registry.Schema) bool {
	refs := slices.Equal(a.References, b.References)
	a.References, b.References = nil, nil
	return refs && reflect.DeepEqual(a, b)
}

// One request a schema, however many tasks meet it at the same moment, through both the Client and
// what is compiled on top of it.
func TestManyTasksAskOnce(t *testing.T) {
	reg := registrytest.Start(t)
	const schemas = 8
	for i := range schemas {
		reg.Register("t-value", "AVRO", strings.Replace(orderSchema, "Order", "Order"+string(rune('A'+i)), 1))
	}
	c := client(t, reg)
	var compiles atomic.Int32
	compiled := registry.NewCompiled(c, func(_ context.Context, s registry.Schema) (string, error) {
		compiles.Add(1)
		return s.Text, nil
	})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 100 {
				id := 1 + (i+j)%schemas
				text, err := compiled.Get(t.Context(), registry.Ref{ID: id})
				if want := "Order" + string(rune('A'+id-1)); err != nil || !strings.Contains(text, want) {
					t.Errorf("id %d gave %q, %v", id, text, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(reg.Requests()); n != schemas || compiles.Load() != schemas {
		t.Errorf("%d requests and %d compilations for %d schemas", n, compiles.Load(), schemas)
	}
}

func TestCompiledRemembersWhatDoesNotFit(t *testing.T) {
	reg := registrytest.Start(t)
	id := reg.Register("t-value", "AVRO", orderSchema)
	c := client(t, reg, "max.retries", "0")
	misfit := errors.New("no such field")
	calls := 0
	compiled := registry.NewCompiled(c, func(context.Context, registry.Schema) (int, error) {
		calls++
		return 0, misfit
	})
	for range 3 {
		if _, err := compiled.Get(t.Context(), registry.Ref{ID: id}); err != misfit {
			t.Errorf("got %v", err)
		}
	}
	if calls != 1 {
		t.Errorf("compiled %d times", calls)
	}
	// A registry that is down for a moment is asked again.
	retried := registry.NewCompiled(c, func(ctx context.Context, s registry.Schema) (int, error) {
		_, err := c.Latest(ctx, "t-value")
		return s.ID, err
	})
	reg.Fault(func(*http.Request) http.HandlerFunc { return registrytest.Refuse(500, 50001, "store") })
	if _, err := retried.Get(t.Context(), registry.Ref{ID: id}); err == nil {
		t.Error("no error from a registry that is down")
	}
	reg.Fault(nil)
	if got, err := retried.Get(t.Context(), registry.Ref{ID: id}); got != id || err != nil {
		t.Errorf("afterwards %d, %v", got, err)
	}
}

// What the registry says, and what it does not, comes with its address, the schema and the remedy.
func TestErrorsNameTheRemedy(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
	}
	for _, tt := range []struct {
		name     string
		fault    http.HandlerFunc
		status   int
		code     int
		requests int
		want     []string
	}{
		{"unknown id", nil, 404, 40403, 1, []string{"code 40403", "schema id 77", "check schema.registry.url against the producer's"}},
		{"unauthorized", registrytest.Refuse(401, 401, "Unauthorized"), 401, 401, 1, []string{"HTTP 401:", "basic.auth.user.info"}},
		{"bare 401", answer(401, ""), 401, 0, 1, []string{"HTTP 401", "no response"}},
		{"forbidden", registrytest.Refuse(403, 40301, "denied"), 403, 40301, 1, []string{"denied", "grant it"}},
		{"another server", answer(404, "<html>\n<h1>Not\x00 here"), 404, 0, 1, []string{"<html> <h1>Not here", "host, port and path"}},
		{"store", registrytest.Refuse(500, 50001, "Error in the backend"), 500, 50001, 4, []string{"the backend", "its log"}},
		{"gateway", answer(503, strings.Repeat("z", 5000)), 503, 0, 4, []string{"HTTP 503", "zzz ...", "its log"}},
		{"too many", answer(429, "slow down"), 429, 0, 4, []string{"fewer requests"}},
		{"teapot", answer(418, "short and stout"), 418, 0, 1, []string{"stout"}},
		{"no JSON", answer(200, "OK"), 0, 0, 1, []string{"does not answer like a schema registry"}},
		{"unknown type", answer(200, `{"schema":"x","schemaType":"XML"}`), 0, 0, 1, []string{"XML"}},
		{"endless", endless, 0, 0, 1, []string{"longer than"}},
		{"hang up", hangUp, 0, 0, 4, []string{"schema registry http"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := registrytest.Start(t)
			if tt.fault != nil {
				reg.Fault(func(*http.Request) http.HandlerFunc { return tt.fault })
			}
			c := client(t, reg)
			_, err := c.Schema(t.Context(), registry.Ref{ID: 77})
			wantText(t, err, append(tt.want, "schema registry "+reg.URL+": schema id 77: ")...)
			e, ok := errors.AsType[*registry.Error](err)
			if !ok || e.Status != tt.status || e.Code != tt.code || e.Remedy == "" || e.Unwrap() == nil {
				t.Errorf("got %#v", err)
			}
			if n := len(reg.Requests()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
			if len(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("not fit for a line of a log: %q", err)
			}
		})
	}
}

// endless answers with a body that does not end before the client has enough of it.
func endless(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, `{"schema":"`)
	for chunk := strings.Repeat("x", 1<<20); r.Context().Err() == nil; {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestAnUnreachableRegistry(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "http://" + free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := registry.New(map[string]string{"schema.registry.url": dead, "retries.wait.ms": "1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Schema(t.Context(), registry.Ref{ID: 1})
	wantText(t, err, dead, "schema id 1", "cannot be reached", "schema.registry.url")

	// With a second address that lives, nothing is wrong.
	reg := registrytest.Start(t)
	reg.Register("a", "AVRO", orderSchema)
	c, err = registry.New(map[string]string{"schema.registry.url": dead + "," + reg.URL})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Schema(t.Context(), registry.Ref{ID: 1}); err != nil || got.Text != orderSchema {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAPassingFailureIsRetried(t *testing.T) {
	reg := registrytest.Start(t)
	id := reg.Register("a", "AVRO", orderSchema)
	var n atomic.Int32
	reg.Fault(func(*http.Request) http.HandlerFunc {
		if n.Add(1) <= 3 {
			return registrytest.Refuse(503, 50003, "no leader")
		}
		return nil
	})
	if got, err := client(t, reg).Schema(t.Context(), registry.Ref{ID: id}); err != nil || got.ID != id {
		t.Errorf("got %+v, %v after %d requests", got, err, n.Load())
	}
}

// A registry that does not answer costs no more than the deadline says, and leaves nothing running:
// the bubble would not end if it did.
func TestASlowRegistryMeetsTheDeadline(t *testing.T) {
	for _, tt := range []struct {
		name string
		more []string
		want time.Duration
	}{
		{"default", nil, 15 * time.Second},
		{"shorter", []string{"schema.registry.request.timeout.ms", "2000"}, 2 * time.Second},
		{"one request", []string{"max.retries", "0", "http.connect.timeout.ms", "1000", "http.read.timeout.ms", "500"},
			1500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := registrytest.StartInMemory(t)
				reg.Fault(func(*http.Request) http.HandlerFunc {
					return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
				})
				c := client(t, reg, tt.more...)
				start := time.Now()
				_, err := c.Schema(t.Context(), registry.Ref{ID: 7})
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				wantText(t, err, "schema id 7", "did not answer in time", "schema.registry.request.timeout.ms")
			})
		})
	}
}

func TestACallerMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := registrytest.StartInMemory(t)
		reg.Fault(func(*http.Request) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		})
		c := client(t, reg)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Schema(ctx, registry.Ref{ID: 7}); err == nil || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestCredentialsAndHeaders(t *testing.T) {
	for _, tt := range []struct {
		name   string
		url    func(string) string
		more   []string
		header string
		want   string
	}{
		{"URL", func(u string) string { return strings.Replace(u, "://", "://al:p%40ss@", 1) }, nil,
			"Authorization", "Basic YWw6cEBzcw=="},
		{"USER_INFO", nil, []string{"basic.auth.credentials.source", "USER_INFO", "basic.auth.user.info", "al:p@ss"},
			"Authorization", "Basic YWw6cEBzcw=="},
		{"bearer", nil, []string{"bearer.auth.token", "abc"}, "Authorization", "Bearer abc"},
		{"header", nil, []string{"request.header.X-Team", "orders"}, "X-Team", "orders"},
		{"cluster", nil, []string{"bearer.auth.logical.cluster", "lsrc-1"}, "target-sr-cluster", "lsrc-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := registrytest.Start(t)
			var got atomic.Value
			reg.Fault(func(r *http.Request) http.HandlerFunc {
				got.Store(r.Header.Get(tt.header))
				return registrytest.Refuse(401, 40101, "no")
			})
			params := append([]string{}, tt.more...)
			if tt.url != nil {
				params = append(params, "schema.registry.url", tt.url(reg.URL))
			}
			_, err := client(t, reg, params...).Schema(t.Context(), registry.Ref{ID: 1})
			if got.Load() != tt.want {
				t.Errorf("sent %s: %v, want %s", tt.header, got.Load(), tt.want)
			}
			wantText(t, err, reg.URL)
			if strings.Contains(err.Error(), "ss@") || strings.Contains(err.Error(), "%40") {
				t.Errorf("%q shows the password", err)
			}
		})
	}
}

// A redirect is an error that names where it leads. Nobody there is shown the credentials.
func TestRedirectsAreNotFollowed(t *testing.T) {
	reg := registrytest.Start(t)
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 307, 308} {
		reg.Fault(func(*http.Request) http.HandlerFunc {
			return http.RedirectHandler(elsewhere.URL+"/schemas", status).ServeHTTP
		})
		c := client(t, reg, "request.header.Authorization", "Bearer abc")
		_, err := c.Schema(t.Context(), registry.Ref{ID: 1})
		wantText(t, err, reg.URL, "HTTP "+strconv.Itoa(status), "it redirects to "+elsewhere.URL+"/schemas",
			"put the address it redirects to into schema.registry.url")
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}

func TestTLS(t *testing.T) {
	reg, certificate := registrytest.StartTLS(t)
	reg.Register("a", "AVRO", orderSchema)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{parsed(t, certificate)}, "changeit")
	if err != nil {
		t.Fatal(err)
	}
	p12, passwords := filepath.Join(t.TempDir(), "ca.p12"), filepath.Join(t.TempDir(), "passwords.properties")
	if err := errors.Join(os.WriteFile(p12, store, 0o600),
		os.WriteFile(passwords, []byte("store=changeit\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	plain := registrytest.Start(t)
	byName := strings.Replace(reg.URL, "127.0.0.1", "localhost", 1)
	const trust = "schema.registry.ssl.truststore."
	for _, tt := range []struct {
		name   string
		params map[string]string
		want   string // of the error; empty for success
	}{
		{"trusted file", map[string]string{"schema.registry.url": reg.URL, trust + "location": file}, ""},
		{"trusted text", map[string]string{"schema.registry.url": reg.URL, trust + "certificates": certificate}, ""},
		{"trusted reference", map[string]string{"schema.registry.url": reg.URL, trust + "certificates": "${file:" + file + "}"}, ""},
		{"trusted PKCS12", map[string]string{"schema.registry.url": reg.URL, trust + "location": p12,
			trust + "password": "${file:" + passwords + ":store}"}, ""},
		{"not trusted", map[string]string{"schema.registry.url": reg.URL}, trust + "location"},
		{"another name", map[string]string{"schema.registry.url": byName, trust + "certificates": certificate},
			"ssl.endpoint.identification.algorithm"},
		{"another name, unchecked", map[string]string{"schema.registry.url": byName, trust + "certificates": certificate,
			"schema.registry.ssl.endpoint.identification.algorithm": ""}, ""},
		{"not trusted, name unchecked", map[string]string{"schema.registry.url": byName,
			"schema.registry.ssl.endpoint.identification.algorithm": ""}, trust + "location"},
		{"plain", map[string]string{"schema.registry.url": strings.Replace(plain.URL, "http:", "https:", 1)}, "write http://"},
		{"TLS 1.2 only", map[string]string{"schema.registry.url": reg.URL, trust + "certificates": certificate,
			"schema.registry.ssl.enabled.protocols": "TLSv1.2"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			params := maps.Clone(tt.params)
			params["retries.wait.ms"] = "1"
			c, err := registry.New(params)
			if err != nil {
				t.Fatal(err)
			}
			before := len(reg.Requests())
			_, err = c.Schema(t.Context(), registry.Ref{ID: 1})
			if tt.want == "" {
				if err != nil || len(reg.Requests()) != before+1 {
					t.Errorf("got %v", err)
				}
				return
			}
			wantText(t, err, tt.want)
		})
	}
}

func TestMutualTLS(t *testing.T) {
	reg := registrytest.New()
	reg.Register("a", "AVRO", orderSchema)
	h := httptest.NewUnstartedServer(reg)
	h.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	h.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	h.StartTLS()
	defer h.Close()
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	trust := map[string]string{"schema.registry.url": h.URL, "schema.registry.ssl.truststore.certificates": certificate,
		"retries.wait.ms": "1"}
	c, err := registry.New(trust)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Schema(t.Context(), registry.Ref{ID: 1})
	wantText(t, err, "schema.registry.ssl.keystore.location")

	// The server's own key pair serves as the client's.
	pair := h.TLS.Certificates[0]
	config := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool(certificate)}
	own, err := registry.New(trust, registry.TLS(config))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Schema(t.Context(), registry.Ref{ID: 1}); err != nil {
		t.Error(err)
	}
	trust["schema.registry.ssl.keystore.certificate.chain"] = certificate
	trust["schema.registry.ssl.keystore.key"] = privateKey(t, pair)
	if c, err = registry.New(trust); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Schema(t.Context(), registry.Ref{ID: 1}); err != nil {
		t.Error(err)
	}
}

func TestAProxyIsUsed(t *testing.T) {
	reg := registrytest.Start(t)
	reg.Register("a", "AVRO", orderSchema)
	// A proxy for plain HTTP is asked with whole URLs; the registry's own handler answers for it.
	host, port, err := net.SplitHostPort(strings.TrimPrefix(reg.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, reg, "schema.registry.url", "http://nowhere.invalid", "proxy.host", host, "proxy.port", port)
	if got, err := c.Schema(t.Context(), registry.Ref{ID: 1}); err != nil || got.Text != orderSchema {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDependenciesComeInOrder(t *testing.T) {
	reg := registrytest.Start(t)
	ref := func(subject string) registrytest.Reference {
		return registrytest.Reference{Name: subject + ".proto", Subject: subject, Version: 1}
	}
	reg.Register("d", "PROTOBUF", "d")
	reg.Register("c", "PROTOBUF", "c", ref("d"))
	reg.Register("b", "PROTOBUF", "b", ref("d"), ref("c"))
	id := reg.Register("a", "PROTOBUF", "a", ref("b"), ref("c"))
	circle := reg.Register("e", "PROTOBUF", "e", ref("e"))
	missing := reg.Register("f", "PROTOBUF", "f", ref("none"))

	c := client(t, reg)
	s, err := c.Schema(t.Context(), registry.Ref{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	deps, err := c.Dependencies(t.Context(), s)
	var texts []string
	for _, d := range deps {
		texts = append(texts, d.Text)
	}
	if err != nil || !slices.Equal(texts, []string{"d", "c", "b"}) {
		t.Errorf("got %q, %v", texts, err)
	}
	for id, want := range map[int][]string{circle: {"subject e version 1", "itself"},
		missing: {"none.proto", "subject none version 1", "code 40401"}} {
		s, err := c.Schema(t.Context(), registry.Ref{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Dependencies(t.Context(), s)
		wantText(t, err, want...)
	}
}
