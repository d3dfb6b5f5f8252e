package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// The kinds of records, and the most bytes that one has. docs/FORMAT.md, "Manifests of file sinks".
const (
	ownerKind    = "owner"
	manifestKind = "manifest"
	recordMax    = 64 << 20
)

// An ownerRecord says that a process took a job over.
type ownerRecord struct {
	Job    string `json:"job"`
	Epoch  int64  `json:"epoch"`
	Writer string `json:"writer"`
	At     int64  `json:"at"`
}

// writer tells owners apart that have the same epoch, because an older checkpoint was restored.
func (s *FolderSink[T]) writer() string { return fmt.Sprintf("%d-%s", s.epoch, s.instance) }

// jobDir is the folder of what is known of the job's batches.
func (s *FolderSink[T]) jobDir() string {
	return vfs.Join(vfs.Join(s.dir, "_weir"), url.PathEscape(s.job))
}

// Open implements dstream.Sink: it makes the folder, and takes the job over in it.
func (s *FolderSink[T]) Open(ctx context.Context, job string, epoch int64) error {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	s.job, s.epoch, s.owner, s.effects, s.opened = job, epoch, 0, map[[2]string]*effect{}, time.Now()
	if epoch == 0 {
		return s.fs.MkdirAll(ctx, s.dir)
	}
	if err := s.fs.MkdirAll(ctx, s.jobDir()); err != nil {
		return err
	}
	for {
		last, err := s.lastOwner(ctx)
		if err != nil {
			return err
		}
		if last > 0 {
			mine, err := s.admitted(ctx, last)
			if s.owner = last; mine || err != nil {
				return err
			}
		}
		raw, err := checkpoint.EncodeRecord(ownerKind, ownerRecord{job, epoch, s.writer(), time.Now().UnixMilli()})
		if err != nil {
			return err
		}
		answer, err := vfs.PutOnce(ctx, s.fs, s.ownerName(last+1), raw)
		if err != nil {
			return err
		}
		if answer == vfs.Ours {
			s.owner = last + 1
			return s.forgetOwners(ctx)
		}
	}
}

// admitted tells whether the last owner is this program, another sink of which has been opened, and makes sure that
// this one may follow if it is not.
func (s *FolderSink[T]) admitted(ctx context.Context, last int64) (mine bool, err error) {
	name := s.ownerName(last)
	raw, err := vfs.ReadFile(ctx, s.fs, name, recordMax)
	if err != nil {
		return false, err
	}
	var before ownerRecord
	if err := checkpoint.DecodeOne(ownerKind, name, raw, &before); err != nil {
		return false, err
	}
	if before.Writer == s.writer() {
		return true, nil
	}
	if before.Epoch >= s.epoch && s.owns != nil {
		// Is this a later owner, or what was there before an older checkpoint was restored?
		if err := s.owns(ctx); err != nil {
			return false, fmt.Errorf("%s tells of a later owner of the job, of epoch %d: %w", name, before.Epoch, err)
		}
	}
	return false, nil
}

func (s *FolderSink[T]) ownerName(n int64) string {
	return vfs.Join(s.jobDir(), fmt.Sprintf("%010d.owner", n))
}

// lastOwner is the number of the newest owner, 0 for none.
func (s *FolderSink[T]) lastOwner(ctx context.Context) (int64, error) {
	numbers, err := s.numbered(ctx, s.jobDir(), ".owner")
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	return numbers[len(numbers)-1], nil
}

// ownersKept are the owners that stay, for people to read.
const ownersKept = 16

func (s *FolderSink[T]) forgetOwners(ctx context.Context) error {
	numbers, err := s.numbered(ctx, s.jobDir(), ".owner")
	for _, n := range numbers {
		if err == nil && n <= s.owner-ownersKept {
			err = s.remove(ctx, s.ownerName(n))
		}
	}
	return err
}

// fenced refuses what a process wants to put whose job has been taken over.
func (s *FolderSink[T]) fenced(ctx context.Context) error {
	last, err := s.lastOwner(ctx)
	if err == nil && last != s.owner {
		err = fmt.Errorf("another process has taken the job over in %s (%s): %w", s.dir, s.ownerName(last),
			dstream.ErrFenced)
	}
	return err
}

// numbered lists the numbers that files of an ending have for names, in order.
func (s *FolderSink[T]) numbered(ctx context.Context, dir, ending string) (numbers []int64, err error) {
	infos, err := s.fs.List(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, info := range infos {
		name, ok := strings.CutSuffix(vfs.Base(info.Name), ending)
		if n, err := strconv.ParseInt(name, 10, 64); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers, err
}

func (s *FolderSink[T]) remove(ctx context.Context, name string) error {
	if err := s.fs.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
