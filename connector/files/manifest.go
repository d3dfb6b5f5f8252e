package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// A manifest is the identity of a batch: the files in which it is.
type manifest struct {
	Job      string `json:"job"`
	Epoch    int64  `json:"epoch"`
	Owner    int64  `json:"owner"`
	Output   string `json:"output"`
	Effect   string `json:"effect"`
	Sequence int64  `json:"sequence"`
	Files    []file `json:"files"`
	// Burned tells that the batch was given up, and has no files.
	Burned bool `json:"burned,omitempty"`
}

// An effect is what is known of an output.
type effect struct {
	output, name string
	key          string // in the names of the files
	dir          string // of the manifests

	turn  chan struct{} // held by who uses what follows
	swept bool          // what was left before this process is gone
	known bool          // last is what the folder says
	last  int64         // the newest batch, -1 for none
}

func keyOf(job, output, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", job, output, name))
	return hex.EncodeToString(sum[:6])
}

// nameOf is the name of the file of a partition.
func (s *FolderSink[T]) nameOf(id dstream.Effect) string {
	key := keyOf(s.job, id.Output, id.Name)
	return fmt.Sprintf("part-%010d-%05d-%s-%d%s%s", id.Sequence, id.Partition, key, s.owner, s.ending, s.kind.Suffix())
}

// enter waits for the turn to use an effect. At first it reads what the folder says, and shows what a process before
// this one was to show.
func (s *FolderSink[T]) enter(ctx context.Context, output, name string) (*effect, error) {
	s.mu.Lock()
	e := s.effects[[2]string{output, name}]
	if e == nil {
		key := keyOf(s.job, output, name)
		e = &effect{output: output, name: name, key: key, dir: vfs.Join(s.jobDir(), key), turn: make(chan struct{}, 1)}
		s.effects[[2]string{output, name}] = e
	}
	s.mu.Unlock()
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if e.known {
		return e, nil
	}
	if err := s.read(ctx, e); err != nil {
		<-e.turn
		return nil, err
	}
	return e, nil
}

func (e *effect) leave() { <-e.turn }

func (e *effect) path(seq int64) string { return vfs.Join(e.dir, fmt.Sprintf("%020d.manifest", seq)) }

// read finds the newest manifest.
func (s *FolderSink[T]) read(ctx context.Context, e *effect) error {
	numbers, err := s.numbered(ctx, e.dir, ".manifest")
	if err != nil {
		return err
	}
	if e.last = -1; len(numbers) > 0 {
		e.last = numbers[len(numbers)-1]
		if _, err := s.found(ctx, e, e.last); err != nil {
			return err
		}
	}
	e.known = true
	return nil
}

func (s *FolderSink[T]) manifest(ctx context.Context, e *effect, seq int64) (m manifest, err error) {
	name := e.path(seq)
	raw, err := vfs.ReadFile(ctx, s.fs, name, recordMax)
	if err == nil {
		err = checkpoint.DecodeOne(manifestKind, name, raw, &m)
	}
	if err == nil && (m.Job != s.job || m.Output != e.output || m.Effect != e.name || m.Sequence != seq) {
		err = fmt.Errorf("%s is that of batch %d of output %q, effect %q, of job %s: it was copied there", name,
			m.Sequence, m.Output, m.Effect, m.Job)
	}
	return m, err
}

// found shows the files of a manifest that was there. Who has put it may have died, or met an error, before it was
// durable: without it a later process would show the batch in files of its own, beside these.
func (s *FolderSink[T]) found(ctx context.Context, e *effect, seq int64) (m manifest, err error) {
	if m, err = s.manifest(ctx, e, seq); err == nil {
		err = vfs.MakeSure(ctx, s.fs, e.dir)
	}
	if err == nil {
		err = s.show(ctx, m.Files)
	}
	return m, err
}

// show publishes the files of a manifest, which may have been done.
func (s *FolderSink[T]) show(ctx context.Context, files []file) error {
	err := s.fs.Publish(ctx, s.pending(files)...)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, p := range s.pending(files) {
		err := s.fs.Publish(ctx, p)
		if errors.Is(err, fs.ErrNotExist) {
			s.warn("a file of a batch that was written is not there: readers have taken it away, or it was lost", nil,
				"file", p.Name)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// sweepAge is the age from which files that nobody shows any more go.
const sweepAge = time.Hour

// sweep removes, once, what attempts have left that died before this process. Before this one has committed a batch
// another that stands still may put its manifest, which lists files that are old by then. Afterwards none up to that
// batch counts any more that is not there; and what the manifests list has been shown. What cannot be removed waits for
// the next process: the batch is shown.
func (s *FolderSink[T]) sweep(ctx context.Context, e *effect) {
	if e.swept {
		return
	}
	e.swept = true
	if err := s.removeLeft(ctx, e); err != nil {
		s.warn("hidden files that an earlier process left could not be removed", err, "folder", s.dir)
	}
}

func (s *FolderSink[T]) removeLeft(ctx context.Context, e *effect) error {
	infos, err := s.fs.List(ctx, s.dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		name := vfs.Base(info.Name)
		ours := strings.HasPrefix(name, ".part-") && strings.Contains(name, "-"+e.key+"-")
		if ours && !info.Dir && s.opened.Sub(info.ModTime) > sweepAge {
			if err := s.remove(ctx, info.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Last implements dstream.Sink. A batch has one identity for all of its partitions.
func (s *FolderSink[T]) Last(ctx context.Context, output, name string, _ int) (int64, bool, error) {
	return s.Newest(ctx, output, name)
}

// Newest implements dstream.SinkRewinder.
func (s *FolderSink[T]) Newest(ctx context.Context, output, name string) (int64, bool, error) {
	if s.epoch == 0 {
		return 0, false, nil
	}
	ctx, cancel := s.patient(ctx)
	defer cancel()
	e, err := s.enter(ctx, output, name)
	if err != nil {
		return 0, false, err
	}
	defer e.leave()
	return e.last, e.last >= 0, nil
}

// Commit implements dstream.BatchCommitter.
func (s *FolderSink[T]) Commit(caller context.Context, id dstream.Effect, made [][]byte) error {
	ctx, cancel := s.patient(caller)
	defer cancel()
	files, err := filesOf(made)
	if err != nil {
		return err
	}
	if s.epoch == 0 {
		return s.trouble(caller, s.show(ctx, files))
	}
	if err := s.commitOnce(ctx, id, files); err != nil {
		s.leave(id, files)
		return s.trouble(caller, err)
	}
	s.dropLeft(ctx, id)
	return nil
}

func (s *FolderSink[T]) commitOnce(ctx context.Context, id dstream.Effect, files []file) error {
	e, err := s.enter(ctx, id.Output, id.Name)
	if err != nil {
		return err
	}
	defer e.leave()
	if id.Sequence <= e.last {
		s.drop(ctx, files)
		return nil
	}
	if err := s.fenced(ctx); err != nil {
		return err
	}
	if err := s.commit(ctx, e, id, files); err != nil {
		e.known = false
		return fmt.Errorf("batch %d in %s: %w", id.Sequence, s.dir, err)
	}
	return nil
}

// leave keeps in mind what a commit that failed has left: it may be asked for again, or be in after all. When a later
// commit of the effect has not failed neither can be.
func (s *FolderSink[T]) leave(id dstream.Effect, files []file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == nil {
		s.left = map[[2]string][]file{}
	}
	key := [2]string{id.Output, id.Name}
	for _, f := range files {
		if !slices.Contains(s.left[key], f) {
			s.left[key] = append(s.left[key], f)
		}
	}
}

// dropLeft drops what earlier commits of an effect have left, but for what was shown since.
func (s *FolderSink[T]) dropLeft(ctx context.Context, id dstream.Effect) {
	key := [2]string{id.Output, id.Name}
	s.mu.Lock()
	left := s.left[key]
	delete(s.left, key)
	s.mu.Unlock()
	s.drop(ctx, left)
}

// commit puts the manifest, and shows the files of the one that is there.
func (s *FolderSink[T]) commit(ctx context.Context, e *effect, id dstream.Effect, files []file) error {
	if err := vfs.Keep(ctx, s.fs, s.pending(files)...); err != nil {
		return err
	}
	ours, err := s.put(ctx, e, id, manifest{Files: files})
	if err != nil {
		return err
	}
	numbers, err := s.numbered(ctx, e.dir, ".manifest")
	if err != nil {
		return err
	}
	newest := slices.Max(append(numbers, id.Sequence))
	switch {
	case ours && newest > id.Sequence:
		// The batch was stored long ago, and its manifest was there no more: this process stood still all the while.
		s.drop(ctx, files)
		err = s.remove(ctx, e.path(id.Sequence))
	case ours:
		err = s.show(ctx, files)
	default:
		if _, err = s.found(ctx, e, id.Sequence); err == nil {
			s.drop(ctx, files)
		}
	}
	if e.last = newest; err != nil {
		return err
	}
	if err := s.forget(ctx, e, numbers); err != nil || newest > id.Sequence {
		return err
	}
	s.sweep(ctx, e)
	return nil
}

// put puts a manifest; ours is false if there is one.
func (s *FolderSink[T]) put(ctx context.Context, e *effect, id dstream.Effect, m manifest) (ours bool, err error) {
	m.Job, m.Epoch, m.Owner = s.job, s.epoch, s.owner
	m.Output, m.Effect, m.Sequence = id.Output, id.Name, id.Sequence
	raw, err := checkpoint.EncodeRecord(manifestKind, m)
	if err != nil {
		return false, err
	}
	if err := s.fs.MkdirAll(ctx, e.dir); err != nil {
		return false, err
	}
	answer, err := vfs.PutOnce(ctx, s.fs, e.path(id.Sequence), raw)
	if answer == vfs.Unknown {
		return false, fmt.Errorf("%w: %w", dstream.ErrInDoubt, err)
	}
	return answer == vfs.Ours, err
}

// forget removes manifests of batches that are not run again.
func (s *FolderSink[T]) forget(ctx context.Context, e *effect, numbers []int64) error {
	for _, n := range numbers {
		if n <= e.last-s.retained && n != e.last {
			if err := s.remove(ctx, e.path(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rewind implements dstream.SinkRewinder.
func (s *FolderSink[T]) Rewind(ctx context.Context, id dstream.Effect) error {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	e, err := s.enter(ctx, id.Output, id.Name)
	if err != nil {
		return err
	}
	defer e.leave()
	if err := s.fenced(ctx); err != nil {
		return err
	}
	numbers, err := s.numbered(ctx, e.dir, ".manifest")
	if err != nil {
		return err
	}
	e.known = false
	for _, n := range slices.Backward(numbers) {
		if n > id.Sequence {
			if err := s.remove(ctx, e.path(n)); err != nil {
				return err
			}
		}
	}
	if id.Sequence < 0 || slices.Contains(numbers, id.Sequence) {
		return nil
	}
	_, err = s.put(ctx, e, id, manifest{})
	return err
}

// Burn implements dstream.SinkBurner: it puts a manifest without files, if there is none, which whoever wakes up late
// will find in place of its own.
func (s *FolderSink[T]) Burn(ctx context.Context, id dstream.Effect, _ int) (in int, err error) {
	if s.epoch == 0 {
		return 0, errors.New("without a checkpoint there are no manifests")
	}
	ctx, cancel := s.patient(ctx)
	defer cancel()
	e, err := s.enter(ctx, id.Output, id.Name)
	if err != nil {
		return 0, err
	}
	defer e.leave()
	if err := s.fenced(ctx); err != nil {
		return 0, err
	}
	e.known = false // Whatever was put is to be read, and shown.
	if err := s.read(ctx, e); err != nil {
		return 0, err
	}
	if e.last < id.Sequence { // Else one that comes late is void.
		ours, err := s.put(ctx, e, id, manifest{Burned: true})
		if err == nil {
			e.last = id.Sequence
		}
		if e.known = ours; err != nil || ours {
			return 0, err
		}
	}
	there, err := s.found(ctx, e, id.Sequence)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && there.Burned:
		return 0, nil
	case err != nil:
		return 0, err
	}
	return 1, nil
}
