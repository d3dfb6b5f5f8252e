package dstream

import (
	"context"
	"sync"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// A stateful operator keeps a state from batch to batch. Its step runs in each batch in which its parent is due, once,
// on the state that the last committed batch left; what it changes lies beside that state until the batch is committed.
// The loop calls the methods one at a time, never while the step runs.
type stateful interface {
	// load makes the state that of a snapshot and the deltas that follow it, in order, before the first batch; with
	// neither there is no state yet. It is called once, and always with a checkpoint, for seal writes to at. Batches
	// that were sealed before may then be settled once more, without being sealed.
	load(ctx context.Context, at stateFolder, snapshot []checkpoint.File, deltas []checkpoint.Delta) error
	// head tells the types of the keys and values, and the seed under which keys are dealt.
	head() checkpoint.StateHead
	// dealAnew is called before load if the number of partitions of shuffles that are not told one, or the seed under
	// which keys are dealt, has changed since the graph was made.
	dealAnew(seed uint64) error
	// lieIn is called before load: the entries lie in a store, in which the state has a number.
	lieIn(rows StateRows, number int) error
	// reload makes the state that of a version by which the user has changed it, or, when batches have run once more,
	// of the last one.
	reload(ctx context.Context, snapshot []checkpoint.File, deltas []checkpoint.Delta) error
	// deal is how many buckets the state has, and among how many partitions they are dealt.
	deal() checkpoint.Deal
	// idle tells whether a batch at that time without any record would change nothing.
	idle(at Time) bool
	// changed tells whether the step of the batch has changed something.
	changed(b *Batch) bool
	// seal makes what the step of the batch changed durable, and says where it is. It is called when all outputs of the
	// batch have run and again if that failed, and only with a checkpoint.
	seal(ctx context.Context, b *Batch) (checkpoint.StateChange, error)
	// settle takes the changes of the batch over into the state when its commit record is on its way, or will be when
	// its effects are in, or drops them. If that record does not come, the program ends.
	settle(b *Batch, committed bool)
	// close ends what goes on in the background, and waits for it. It may be called without load, and more than once.
	close()
}

// A stateFolder is where the files of a state lie.
type stateFolder struct {
	fs vfs.FS
	// dir is the folder of the checkpoint, to which the names of files are relative. Those of states are in its folder
	// stateDir.
	dir string
	// epoch is the owner's, which no other has: names of files hold it.
	epoch int64
	// operator is the id of the operator.
	operator string
	// readOnly tells that nothing of the state will be sealed, nor may be written.
	readOnly bool
	// loaded is the batch whose state is loaded. Those up to it may be run through once more for what other operators
	// keep: their steps find that the state has them already.
	loaded int64
	// newest is the last committed batch.
	newest int64
	// snapshot and deltas are those of the last version in the log, on which the next changes build.
	snapshot []checkpoint.File
	deltas   []checkpoint.Delta
}

// stateDir is the folder of the states' files in a checkpoint: what is there and in no entry of the log may be swept.
const stateDir = "state"

// A keeping is a stateful operator of the graph.
type keeping struct {
	node *node
	stateful
}

// keeps adds a stateful operator; its step is added apart.
func (ssc *Context) keeps(n *node, s stateful) {
	if ssc.State() == Initialized {
		ssc.states = append(ssc.states, &keeping{n, s})
	}
}

// settle has all states take the changes of a batch over, or drop them.
func (ssc *Context) settle(b *Batch, committed bool) {
	for _, k := range ssc.states {
		k.stateful.settle(b, committed)
	}
}

// closeStates ends what states do in the background. One whose disk does not answer is left to itself when ctx has
// ended.
func (ssc *Context) closeStates(ctx context.Context) {
	var wg sync.WaitGroup
	for _, k := range ssc.states {
		wg.Go(func() {
			err := tell(ctx, func(context.Context) error {
				k.stateful.close()
				return nil
			})
			if err != nil {
				ssc.warn("a state did not close", err, "operator", k.node.op, "site", k.node.site.String())
			}
		})
	}
	wg.Wait()
}
