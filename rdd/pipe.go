package rdd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	osexec "os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/exec"
)

// A PipeOption of Pipe.
type PipeOption func(*pipe)

type pipe struct {
	env    []string
	dir    string
	header func(write func(line string))
}

// PipeEnv adds variables, as NAME=VALUE, to the environment of the command.
func PipeEnv(variables ...string) PipeOption {
	return func(p *pipe) { p.env = append(p.env, variables...) }
}

// PipeDir has the command run in a folder.
func PipeDir(dir string) PipeOption { return func(p *pipe) { p.dir = dir } }

// PipeHeader has f write lines to the command before the elements of each partition.
func PipeHeader(f func(write func(line string))) PipeOption { return func(p *pipe) { p.header = f } }

// Pipe sends the elements of each partition to a command, by fmt's %v on a line each, and gives the lines that it
// writes. command is the program and its arguments; there is no shell, unless it is the command: "sh", "-c", "...". A
// command that does not end with status 0 fails the task with the end of what it wrote to its standard error; one whose
// task has ended is killed. Narrow; no memory.
func Pipe[T any](r *RDD[T], command []string, opts ...PipeOption) *RDD[string] {
	var p pipe
	for _, o := range opts {
		o(&p)
	}
	out := narrow(r, "pipe", func(tc *TaskContext, part int) iter.Seq[string] {
		in := r.iterate(tc, part)
		return func(yield func(string) bool) {
			lines := func(write func(string) bool) {
				if p.header != nil {
					p.header(func(line string) { write(line) })
				}
				in(func(v T) bool { return write(fmt.Sprint(v)) })
			}
			if err := p.run(tc, command, lines, yield); err != nil {
				tc.Fail(fmt.Errorf("pipe to %q: %w", strings.Join(command, " "), err))
			}
		}
	})
	if len(command) == 0 || command[0] == "" {
		out.refuse("pipe needs a command")
	}
	for _, v := range p.env {
		if name, _, given := strings.Cut(v, "="); !given || name == "" {
			out.refuse("pipe: a variable of PipeEnv is written NAME=VALUE, and not %q", v)
		}
	}
	return out
}

// pipeKill is how long a killed command's output is waited for: what it started may hold it open.
const pipeKill = 5 * time.Second

// run starts the command and yields the lines of its output, while a goroutine writes its input.
func (p *pipe) run(tc *TaskContext, command []string, in func(write func(string) bool), yield func(string) bool) error {
	cmd := osexec.CommandContext(tc, command[0], command[1:]...)
	cmd.Dir, cmd.WaitDelay = p.dir, pipeKill
	if p.env != nil {
		cmd.Env = append(os.Environ(), p.env...)
	}
	var said tail
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := errors.New("the input ended before its end") // Fail ends this goroutine; the task has its error.
		defer func() {
			if v := recover(); v != nil {
				err = exec.NewPanic(v, debug.Stack())
			}
			if closed := stdin.Close(); err == nil {
				err = closed
			}
			written <- err
		}()
		err = writeLines(stdin, in)
	}()
	more, readErr := readLines(stdout, yield)
	if !more || readErr != nil {
		_ = cmd.Process.Kill()
	}
	writeErr := <-written
	waitErr := cmd.Wait()
	switch {
	case tc.Err() != nil:
		return tc.Err()
	case !more:
		return nil // The reader has had enough.
	case readErr != nil:
		return readErr
	case waitErr != nil:
		return fmt.Errorf("%w%s", waitErr, said.text())
	case writeErr != nil && !isBrokenPipe(writeErr):
		return writeErr
	}
	return nil
}

// isBrokenPipe tells that the command did not read its input to the end, which head and others do.
func isBrokenPipe(err error) bool {
	return errors.Is(err, os.ErrClosed) || strings.Contains(err.Error(), "broken pipe")
}

func writeLines(w io.Writer, in func(write func(string) bool)) error {
	b := bufio.NewWriterSize(w, 64<<10)
	in(func(line string) bool {
		_, _ = b.WriteString(line)
		return b.WriteByte('\n') == nil
	})
	return b.Flush()
}

// readLines yields lines of any length.
func readLines(r io.Reader, yield func(string) bool) (more bool, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := b.ReadString('\n')
		if err == nil || line != "" {
			if !yield(strings.TrimSuffix(line, "\n")) {
				return false, nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return true, err
		}
	}
}

// A tail keeps the end of what is written to it.
type tail struct{ end []byte }

const tailBytes = 1 << 10

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.end = append(t.end, b...)
	if n := len(t.end) - tailBytes; n > 0 {
		t.end = bytes.Clone(t.end[n:])
	}
	return len(b), nil
}

func (t *tail) text() string {
	if s := strings.TrimSpace(string(t.end)); s != "" {
		return ": " + s
	}
	return ""
}
