package dstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// A StateStore keeps the rows of states that are larger than memory. It is handed in as a value, which its package
// gives ([Context.AddStateStore]), and chosen by weir.state.store. What it holds is a cache: the state is what the
// checkpoint's files say, and a program fills an empty store from these when it starts.
type StateStore interface {
	// Name is what weir.state.store calls it.
	Name() string
	// Open makes an empty store in dir, a folder that is there, empty, and its own. It may use so many bytes of memory,
	// about, whatever it will hold. It is called once in the life of a program.
	Open(dir string, memory int64) (StateRows, error)
}

// StateRows are the rows of an open store: values by keys, in the order of the keys' bytes. All methods may be called
// by several goroutines, and return an error after Close. Slices that are given to a method belong to the caller again
// when it returns, and those that a method gives to a function belong to the store when that returns.
type StateRows interface {
	// Get appends the value of a key to buf; ok tells whether there is one.
	Get(key, buf []byte) (value []byte, ok bool, err error)
	// Scan yields the rows whose keys are at least from and less than to, in order, as they are at the time of the
	// call, until yield returns false.
	Scan(from, to []byte, yield func(key, value []byte) bool) error
	// Batch begins a batch of changes.
	Batch() StateBatch
	// Clear removes the rows whose keys are at least from and less than to.
	Clear(from, to []byte) error
	// Close gives all resources back. The folder is removed by the caller. Calls that are on their way may end first.
	Close() error
}

// A StateBatch is made by one goroutine. One that is not committed changes nothing and needs no end.
type StateBatch interface {
	// Put sets the value of a key.
	Put(key, value []byte) error
	// Delete removes a row, if it is there.
	Delete(key []byte) error
	// Commit makes all changes at once: a Get or Scan sees either none of them or all. They need not outlive the
	// process. The batch is not used after it.
	Commit() error
}

// AddStateStore hands a store for states in: the value that its package gives, such as pebble.Store(). The setting
// weir.state.store says which one is used; without it states lie in memory.
func (ssc *Context) AddStateStore(s StateStore) {
	if s == nil {
		ssc.errs = append(ssc.errs, errors.New("AddStateStore needs a store, such as its package gives, not nil"))
		return
	}
	ssc.rows.handed = append(ssc.rows.handed, s)
}

// memoryStore is the value of weir.state.store for states in memory.
const memoryStore = "memory"

// stateRows is what a context knows of its store.
type stateRows struct {
	handed []StateStore
	open   StateRows // nil where states lie in memory
	dir    string
}

// stateStoreNamed finds the store that the settings name, nil for memory.
func (ssc *Context) stateStoreNamed() (StateStore, error) {
	name := conf.StateStore.Get(ssc.conf)
	if name == memoryStore {
		return nil, nil
	}
	there := []string{memoryStore}
	for _, s := range ssc.rows.handed {
		if s.Name() == name {
			return s, nil
		}
		there = append(there, s.Name())
	}
	return nil, fmt.Errorf("%s=%s: no such store was handed in, there is %s: hand it in, as by the option "+
		"weir.WithStateStore(pebble.Store()) of Main and Run, with the package state/pebble, or by AddStateStore in "+
		"the build function", conf.StateStore.Name(), name, strings.Join(there, ", "))
}

// openStateStore opens the store, if states lie in one, and has them lie there. It comes after the log was opened, for
// stores that an earlier owner of the checkpoint left behind are removed.
func (ssc *Context) openStateStore(ctx context.Context) error {
	store, err := ssc.stateStoreNamed()
	if err != nil || store == nil || !slices.ContainsFunc(ssc.states, (*keeping).keyed) {
		return err
	}
	if ssc.rows.dir, err = ssc.stateRowsFolder(ctx); err == nil {
		ssc.rows.open, err = store.Open(ssc.rows.dir, int64(conf.StateMemory.Get(ssc.conf)))
	}
	for i, k := range ssc.states {
		if err == nil {
			err = k.lieIn(ssc.rows.open, i)
		}
	}
	if err != nil {
		return fmt.Errorf("open the store %s of states in spark.local.dir: %w", store.Name(), err)
	}
	return nil
}

// place tells a checkpoint from others, also from a copy of it, which has the same job.
func (d *durability) place() string {
	if d.fs == nil {
		return ""
	}
	path := d.path
	if _, local := d.fs.(vfs.Local); local {
		if whole, err := filepath.Abs(path); err == nil { // Programs may have been started in other folders.
			path = whole
		}
	}
	return strings.Join(d.fs.Schemes(), ",") + " " + path
}

// stateRowsFolder makes the folder of the store. Its name is the checkpoint's, by its job and place, and the owner's:
// what stands there of other owners of this checkpoint is of no use any more, for only the last one can commit. A
// replay owns nothing, and the owner may run beside it: its folder has the name of its process, and goes when that has.
func (ssc *Context) stateRowsFolder(ctx context.Context) (string, error) {
	name := fmt.Sprintf("weir-state-%s-%016x-", ssc.job, codec.Hash(0, []byte(ssc.durable.place())))
	own := fmt.Sprintf("%s%d-", name, ssc.epoch)
	replays := fmt.Sprintf("weir-replay-%s-", ssc.job)
	roots := conf.LocalDirs.Get(ssc.conf)
	ssc.removeRows(slices.DeleteFunc(rowsLeft(roots, replays), func(dir string) bool {
		return !processGone(strings.TrimPrefix(filepath.Base(dir), replays))
	}))
	if ssc.durable.replays {
		own = replays + processName(checkpoint.Here(""))
	} else if err := ssc.removeOwnersRows(ctx, rowsLeft(roots, name)); err != nil {
		return "", err
	}
	var errs []error
	for _, root := range roots {
		dir, err := os.MkdirTemp(root, own)
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("no folder of it can be written to: %w", errors.Join(errs...))
}

// processName names a process in the name of a folder.
func processName(o checkpoint.Owner) string {
	return fmt.Sprintf("%016x-%d-%s-", codec.Hash(0, []byte(o.Machine)), o.PID, o.Started)
}

// processGone tells that a process is known not to be there any more whose name a text begins with.
func processGone(text string) bool {
	other := checkpoint.Here("")
	parts := strings.Split(text, "-")
	if len(parts) != 4 {
		return false
	}
	other.PID, _ = strconv.Atoi(parts[1])
	other.Started = parts[2]
	return strings.HasPrefix(text, processName(other)) && other.Gone()
}

// rowsLeft lists the stores whose names begin so, in all folders: which of them an earlier process could write to is
// not known. What cannot be listed is left there.
func rowsLeft(roots []string, name string) (left []string) {
	for _, root := range roots {
		entries, _ := os.ReadDir(root)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), name) {
				left = append(left, filepath.Join(root, e.Name()))
			}
		}
	}
	return left
}

// removeOwnersRows removes the stores of other owners of this checkpoint, which were listed before. If it was taken
// over meanwhile, one of them may be that of the next owner, who runs.
func (ssc *Context) removeOwnersRows(ctx context.Context, left []string) error {
	if len(left) == 0 {
		return nil
	}
	if err := ssc.log.Check(ctx); err != nil {
		return err
	}
	ssc.removeRows(left)
	return nil
}

// removeRows removes stores that earlier processes have left behind.
func (ssc *Context) removeRows(left []string) {
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			ssc.warn("a store of states that an earlier process left could not be removed", err, "folder", dir)
		}
	}
}

// closeStateStore ends the store, and removes what it had, or leaves it to itself when ctx has ended.
func (ssc *Context) closeStateStore(ctx context.Context) {
	open, dir := ssc.rows.open, ssc.rows.dir
	ssc.rows.open, ssc.rows.dir = nil, ""
	err := tell(ctx, func(context.Context) error {
		var errs []error
		if open != nil {
			errs = append(errs, open.Close())
		}
		if dir != "" {
			errs = append(errs, os.RemoveAll(dir))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		ssc.warn("the store of states did not close as it should", err)
	}
}
