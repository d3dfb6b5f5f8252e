package rdd

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/weirstream/weir/internal/exec"
)

// A SampleOption of the operators that draw at random.
type SampleOption func(*sampling)

type sampling struct {
	seed uint64
	set  bool
}

// Seed has an operator draw the same elements of the same input each time. Without it a stream draws by the seed of its
// plan, the operator's place in the program, the batch and the partition, so that a batch that runs again draws again
// what it drew; a program without a stream draws by a seed that its context chose at random.
func Seed(seed int64) SampleOption { return func(s *sampling) { s.seed, s.set = uint64(seed), true } }

func newSampling(opts []SampleOption) (s sampling) {
	for _, o := range opts {
		o(&s)
	}
	return s
}

// random gives the numbers of one partition of an operator: the same for each attempt, and others for each partition,
// batch and operator.
func (s sampling) random(tc *TaskContext, sc *Context, n *exec.Node, p int) *rand.Rand {
	if s.set {
		return rand.New(rand.NewPCG(s.seed, uint64(p)))
	}
	seed := tc.Desc.Seed
	if tc.Desc.Batch < 0 {
		seed = sc.seed
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(n.Op + " " + n.Site.String()))
	return rand.New(rand.NewPCG(seed^h.Sum64(), uint64(tc.Desc.Batch)<<32^uint64(p)))
}

// poisson draws how often something happens that happens mean times on average: Knuth's method, whose cost grows with
// the mean, in steps of which e^-mean does not underflow.
func poisson(r *rand.Rand, mean float64) int {
	const step = 500
	n := 0
	for mean > 0 {
		part := min(mean, step)
		mean -= part
		limit, p := math.Exp(-part), r.Float64()
		for p > limit {
			n++
			p *= r.Float64()
		}
	}
	return n
}
