package checkpoint

import (
	"context"
	"sync"

	"github.com/weirstream/weir/internal/vfs"
)

const (
	// sparesMax is how many old slots are kept to be used again: as many as go at once when a base has made them old.
	sparesMax = 128
	// spareMax is up to how many bytes a slot is kept.
	spareMax = 64 << 10
)

// A recycling is a file system that can use files again.
type recycling interface {
	vfs.FS
	vfs.Recycler
}

// Spares are old slots of this process, hidden, whose files are used for new ones. An owner uses none but those that it
// has retired itself, under names that it alone knows: who was the owner before may still write to his.
type spares struct {
	fs recycling // nil if there is no use

	mu    sync.Mutex
	list  []spare // the oldest first
	begun int64   // puts of slots
	done  int64   // the last of them that is durable
}

// A spare may be used when a put is durable that began after it was retired: the directory was synced since.
type spare struct {
	token string
	after int64
}

func newSpares(fsys vfs.FS) *spares {
	r, _ := fsys.(recycling)
	return &spares{fs: r}
}

// remove removes a slot of so many bytes, or retires it.
func (s *spares) remove(ctx context.Context, fsys vfs.FS, name string, bytes int64) error {
	s.mu.Lock()
	room := s.fs != nil && len(s.list) < sparesMax && bytes <= spareMax
	s.mu.Unlock()
	if !room {
		return fsys.Remove(ctx, name)
	}
	token, err := s.fs.Retire(ctx, name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, spare{token, s.begun})
	return nil
}

// has tells whether a hidden file is a spare.
func (s *spares) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.list {
		if sp.token == name {
			return true
		}
	}
	return false
}

// begin begins a put, and takes a spare for it if there is one. end is called when the put is over.
func (s *spares) begin() (token string, end func(durable bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	number := s.begun
	if len(s.list) > 0 && s.list[0].after < s.done {
		token = s.list[0].token
		s.list = s.list[1:]
	}
	return token, func(durable bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if durable {
			s.done = number
		}
	}
}

// drop removes all spares; no put may begin after it.
func (s *spares) drop(ctx context.Context) {
	s.mu.Lock()
	list := s.list
	s.list = nil
	s.mu.Unlock()
	for _, sp := range list {
		_ = s.fs.Remove(ctx, sp.token) // What stays is swept as what was begun and never published.
	}
}
