package realsql

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Every wait has an end.
const (
	startTimeout = time.Minute
	endTimeout   = 20 * time.Second
	callTimeout  = time.Minute
)

// A Server is a PostgreSQL server with a database weir, whose owner is the user weir, and which asks for no passwords.
type Server struct {
	bin, dir string
	as       *account // nil for this process's own user
	port     int
	cmd      *exec.Cmd
	ended    chan struct{} // closed when cmd has
	schemas  atomic.Int64
}

// Start starts a server, which ends with the test. With -short the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("realsql: real servers take their time, and -short asks for tests that do not")
	}
	bin, as := prepare(t)
	dir, err := os.MkdirTemp("", "weir-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if as != nil {
		if err := os.Chown(dir, int(as.uid), int(as.gid)); err != nil {
			t.Fatal(err)
		}
	}
	s := &Server{bin: bin, dir: dir, as: as}
	s.run(t, "initdb", "-D", s.data(), "-U", "weir", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions",
		"-N")
	s.Up(t)
	t.Cleanup(func() { s.end(syscall.SIGQUIT) })
	s.run(t, "createdb", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "weir", "weir")
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Up starts the server, again after Kill, with its data and at its address.
func (s *Server) Up(t testing.TB) {
	t.Helper()
	var err error
	for range 3 { // Somebody else may be quicker to take a port.
		if err = s.start(); err == nil {
			return
		}
	}
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	t.Fatalf("realsql: the server does not start: %v\n%s", err, text)
}

func (s *Server) start() error {
	port := s.port
	if port == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		port = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command(context.Background(), "postgres", "-D", s.data(), "-p", strconv.Itoa(port), "-k", s.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB", "-c", "max_connections=60", "-c", "fsync=off")
	cmd.Stdout, cmd.Stderr = log, log
	diesWithUs(cmd)
	begun, ended := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // The system has the server end with the thread that started it.
		defer close(ended)
		err := cmd.Start()
		begun <- err
		if err == nil {
			_ = cmd.Wait() // It is ended by signals.
		}
	}()
	if err := <-begun; err != nil {
		return err
	}
	s.cmd, s.ended = cmd, ended
	if err := s.await(port); err != nil {
		s.end(syscall.SIGKILL)
		return err
	}
	s.port = port
	return nil
}

// await waits until the server answers.
func (s *Server) await(port int) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		ready := s.command(ctx, "pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-d", "postgres")
		if ready.Run() == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it has ended: %v", s.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer within %v", startTimeout)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends the server at once, as a crash does; its data stays.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

// end signals the server, and kills it if it does not end.
func (s *Server) end(sig os.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig) // It may have ended.
	select {
	case <-s.ended:
	case <-time.After(endTimeout):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	s.cmd = nil
}

// DSN is how the database is connected to.
func (s *Server) DSN() string {
	return fmt.Sprintf("postgres://weir@127.0.0.1:%d/weir?sslmode=disable", s.port)
}

// Schema makes an empty schema, and gives how to connect to it.
func (s *Server) Schema(t testing.TB) (dsn, schema string) {
	t.Helper()
	schema = fmt.Sprint("s", s.schemas.Add(1))
	s.Query(t, "CREATE SCHEMA "+schema)
	return s.DSN() + "&search_path=" + schema, schema
}

// Query runs SQL in the database and gives the rows, with | between their columns.
func (s *Server) Query(t testing.TB, sql string) []string {
	t.Helper()
	out := strings.TrimSuffix(s.run(t, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", s.DSN(),
		"-c", sql), "\n")
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// command makes a call of one of PostgreSQL's programs.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "LC_ALL=C")
	if s.as != nil {
		s.as.runs(cmd)
	}
	return cmd
}

// run runs one of PostgreSQL's programs and ends the test if it fails.
func (s *Server) run(t testing.TB, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	cmd := s.command(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("realsql: %s: %v\n%s", program, err, stderr.String())
	}
	return stdout.String()
}
