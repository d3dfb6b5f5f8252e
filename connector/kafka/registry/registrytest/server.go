package registrytest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/weirstream/weir/connector/kafka"
)

// A Reference is a schema that another one uses by name.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// A Server is a registry. It is an http.Handler and may be used by many goroutines.
type Server struct {
	// URL is where Start and its kin put it.
	URL string

	mu       sync.Mutex
	schemas  []schema         // by id, from 1
	subjects map[string][]int // ids by version, from 1
	requests []string         // method and path of each, in order
	fault    func(*http.Request) http.HandlerFunc
	pipe     *pipeListener
}

// schema is a schema as the API shows it.
type schema struct {
	Schema     string      `json:"schema"`
	Type       string      `json:"schemaType,omitempty"`
	References []Reference `json:"references,omitempty"`
}

func (s schema) same(other schema) bool {
	return s.Schema == other.Schema && s.Type == other.Type && slices.Equal(s.References, other.References)
}

// version is a schema with its place, as the API shows it.
type version struct {
	Subject string `json:"subject,omitempty"`
	Version int    `json:"version,omitempty"`
	ID      int    `json:"id,omitempty"`
	GUID    string `json:"guid,omitempty"`
	schema
}

// New returns an empty registry that is not served anywhere.
func New() *Server {
	return &Server{subjects: map[string][]int{}}
}

// Register puts a schema into a subject and returns its id, which is the same for the same schema in
// any subject.
func (s *Server) Register(subject, schemaType, text string, references ...Reference) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.register(subject, normal(schema{text, schemaType, references}))
}

// GUID returns the GUID of a schema by its id.
func (s *Server) GUID(id int) kafka.UUIDValue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guid(id)
}

// Fault makes f decide about each request: what it returns answers instead of the registry, unless it
// is nil. Fault(nil) ends it.
func (s *Server) Fault(f func(*http.Request) http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Requests returns the method and path of every request so far, in the order of their arrival.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Refuse answers with an error in the API's form.
func Refuse(status, code int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		write(w, status, map[string]any{"error_code": code, "message": message})
	}
}

// ServeHTTP is http.Handler's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.EscapedPath())
	fault := s.fault
	s.mu.Unlock()
	// Not under the lock: a fault may block for as long as it likes.
	if fault != nil {
		if h := fault(r); h != nil {
			h(w, r)
			return
		}
	}
	s.mux().ServeHTTP(w, r)
}

func (s *Server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /schemas/ids/{id}", s.locked(s.byID))
	mux.HandleFunc("GET /schemas/guids/{guid}", s.locked(s.byGUID))
	mux.HandleFunc("GET /subjects/{subject}/versions/{version}", s.locked(s.byVersion))
	mux.HandleFunc("POST /subjects/{subject}/versions", s.locked(s.postVersion))
	mux.HandleFunc("POST /subjects/{subject}", s.locked(s.lookUp))
	mux.HandleFunc("/", Refuse(http.StatusNotFound, http.StatusNotFound, "HTTP 404 Not Found"))
	return mux
}

func (s *Server) locked(f func(*http.Request) (any, http.HandlerFunc)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		answer, refusal := f(r)
		s.mu.Unlock()
		if refusal != nil {
			refusal(w, r)
			return
		}
		write(w, http.StatusOK, answer)
	}
}

func (s *Server) byID(r *http.Request) (any, http.HandlerFunc) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < 1 || id > len(s.schemas) {
		return nil, Refuse(http.StatusNotFound, 40403, fmt.Sprintf("Schema %s not found", r.PathValue("id")))
	}
	return s.schemas[id-1], nil
}

func (s *Server) byGUID(r *http.Request) (any, http.HandlerFunc) {
	for i := range s.schemas {
		if s.guid(i+1).String() == r.PathValue("guid") {
			return version{GUID: r.PathValue("guid"), schema: s.schemas[i]}, nil
		}
	}
	return nil, Refuse(http.StatusNotFound, 40403, "Schema not found")
}

func (s *Server) byVersion(r *http.Request) (any, http.HandlerFunc) {
	subject := r.PathValue("subject")
	ids, ok := s.subjects[subject]
	if !ok {
		return nil, noSubject(subject)
	}
	n, err := strconv.Atoi(r.PathValue("version"))
	if r.PathValue("version") == "latest" {
		n, err = len(ids), nil
	}
	if err != nil || n < 1 || n > len(ids) {
		return nil, Refuse(http.StatusNotFound, 40402, fmt.Sprintf("Version %s not found.", r.PathValue("version")))
	}
	return s.version(subject, n), nil
}

func (s *Server) postVersion(r *http.Request) (any, http.HandlerFunc) {
	in, refusal := read(r)
	if refusal != nil {
		return nil, refusal
	}
	return map[string]int{"id": s.register(r.PathValue("subject"), in)}, nil
}

func (s *Server) lookUp(r *http.Request) (any, http.HandlerFunc) {
	in, refusal := read(r)
	if refusal != nil {
		return nil, refusal
	}
	subject := r.PathValue("subject")
	ids, ok := s.subjects[subject]
	if !ok {
		return nil, noSubject(subject)
	}
	for i, id := range ids {
		if s.schemas[id-1].same(in) {
			return s.version(subject, i+1), nil
		}
	}
	return nil, Refuse(http.StatusNotFound, 40403, "Schema not found")
}

func (s *Server) version(subject string, n int) version {
	id := s.subjects[subject][n-1]
	return version{subject, n, id, s.guid(id).String(), s.schemas[id-1]}
}

func (s *Server) register(subject string, in schema) int {
	id := slices.IndexFunc(s.schemas, in.same) + 1
	if id == 0 {
		s.schemas = append(s.schemas, in)
		id = len(s.schemas)
	}
	if !slices.Contains(s.subjects[subject], id) {
		s.subjects[subject] = append(s.subjects[subject], id)
	}
	return id
}

// guid is the same for the same schema, as the registry's is.
func (s *Server) guid(id int) kafka.UUIDValue {
	sum := sha256.Sum256([]byte(s.schemas[id-1].Schema))
	return kafka.UUIDValue(sum[:16])
}

// read takes a schema from a request's body. Avro's must be JSON, which is as much as is checked.
func read(r *http.Request) (schema, http.HandlerFunc) {
	var in schema
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return in, Refuse(http.StatusBadRequest, http.StatusBadRequest, err.Error())
	}
	in = normal(in)
	if in.Type == "" && !json.Valid([]byte(in.Schema)) || in.Schema == "" {
		return in, Refuse(http.StatusUnprocessableEntity, 42201, "Invalid schema")
	}
	return in, nil
}

// normal leaves out the type where it is Avro, as the API does.
func normal(s schema) schema {
	if strings.EqualFold(s.Type, "AVRO") {
		s.Type = ""
	}
	return s
}

func noSubject(subject string) http.HandlerFunc {
	return Refuse(http.StatusNotFound, 40401, fmt.Sprintf("Subject '%s' not found.", subject))
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	// An error means that the client has gone; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(body)
}
