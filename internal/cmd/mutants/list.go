package main

// list are the faults: each breaks a rule on which exactly-once rests. That predecessors at a sink are fenced at the
// start is not among them: without it all seeds pass, for a sink of transactions fences at its first write once more.
var list = []mutant{
	{"commit record before effects", []edit{
		{"dstream/runbatch.go",
			"	err := l.inParallelism(b, func() error { return l.tryOutputs(b) })\n",
			`	var err error
	if l.early(b) {
		err = l.commit(b, nil)
	}
	if err == nil {
		err = l.inParallelism(b, func() error { return l.tryOutputs(b) })
	}
`},
		{"dstream/runbatch.go", "	if l.replays || !l.ssc.durable.opened ||",
			"	if l.early(b) || l.replays || !l.ssc.durable.opened ||"},
		{"dstream/runbatch.go", "		err = l.sealAndCommit(b)\n",
			"		if !l.early(b) {\n			err = l.sealAndCommit(b)\n		}\n"},
		{"dstream/runbatch.go", "// endBatch commits a batch,", `func (l *loop) early(b *Batch) bool {
	return !l.follows() && l.ssc.durable.opened && len(l.ssc.states) == 0 && b.unlogged == nil
}

// endBatch commits a batch,`},
		{"dstream/following.go", "	took, err := l.delivered(b)\n",
			"	early := l.commit(b, c.state)\n	took, err := l.delivered(b)\n	err = errors.Join(early, err)\n"},
		{"dstream/following.go", "	if err := l.commit(b, c.state); err != nil {\n		return err\n	}\n", ""},
	}},
	{"no fsync", []edit{
		{"internal/vfs/local.go", "	if err == nil {\n		err = f.Sync()\n	}\n" +
			"	if err = errors.Join(err, f.Close()); err == nil {\n" +
			"		err = l.system().renameNew(hidden, name)\n",
			"	if err = errors.Join(err, f.Close()); err == nil {\n" +
				"		err = l.system().renameNew(hidden, name)\n"},
	}},
	{"no fsync of segments, in which received records are", []edit{
		{"internal/vfs/local.go", "	err := s.f.Sync()\n	if err == nil && !s.named {\n",
			"	var err error\n	if !s.named {\n"},
	}},
	{"no fsync of files that are written and then published", []edit{
		{"internal/vfs/local.go",
			"	if err := w.f.Sync(); err != nil {\n		return Pending{}, err\n	}\n	w.over = true\n",
			"	w.over = true\n"},
	}},
	{"no fsync of folders: the names of what was synced", []edit{
		{"internal/vfs/disk.go", "func (m *mounted) syncDir(dir string) error {\n",
			"func (m *mounted) syncDir(dir string) error {\n	if m != nil {\n		return nil\n	}\n"},
	}},
	{"no fencing: a slot that another owner has counts as one's own", []edit{
		{"internal/vfs/local.go", "			return Theirs, nil\n", "			return Ours, nil\n"},
	}},
	{"identity ignored: another owner's effect is another one", []edit{
		{"dstream/foreach.go", `"%s/%s/%s/%d/%d", e.Job, e.Output, e.Name, e.Sequence, e.Partition)`,
			`"%s/%s/%s/%d/%d/%d", e.Job, e.Output, e.Name, e.Sequence, e.Partition, e.Epoch)`},
	}},
	{"identity by job name", []edit{
		{"dstream/checkpoint.go", "ssc.log, ssc.job, ssc.epoch = log, log.Job(), log.Epoch()\n",
			"ssc.log, ssc.job, ssc.epoch = log, conf.AppName.Get(ssc.conf), log.Epoch()\n"},
	}},
	{"state not rolled back on retry", []edit{
		{"dstream/statetask.go", "p: tc.PartitionID(), over: newOverlay[K, S](s.ownKey)}\n",
			"p: tc.PartitionID(), over: overOf(s, tc)}\n"},
		{"dstream/statetask.go", "func (s *stateStore[K, S]) task(", `var overs sync.Map

func overOf[K comparable, S any](s *stateStore[K, S], tc *rdd.TaskContext) *overlay[K, S] {
	type key struct {
		of       weak.Pointer[stateStore[K, S]]
		batch    int64
		part     int
	}
	over, _ := overs.LoadOrStore(key{weak.Make(s), tc.BatchSequence(), tc.PartitionID()}, newOverlay[K, S](s.ownKey))
	return over.(*overlay[K, S])
}

func (s *stateStore[K, S]) task(`},
		{"dstream/statetask.go", "	\"iter\"\n", "	\"iter\"\n	\"sync\"\n	\"weak\"\n"},
	}},
	{"attempt output straight into the open transaction", []edit{
		{"dstream/transaction.go", "	task := func(_ *rdd.TaskContext, in iter.Seq[T]) (*staged, error) {\n",
			"	parts := map[*staged]int{}\n" +
				"	task := func(tc *rdd.TaskContext, in iter.Seq[T]) (*staged, error) {\n"},
		{"dstream/transaction.go", "		defer out.unlessSealed()\n		for v := range in {\n",
			"		g.mu.Lock()\n		parts[out] = tc.PartitionID()\n		g.mu.Unlock()\n" +
				"		for v := range in {\n"},
		{"dstream/transaction.go", `	for p, won := range winners {
		if won.records > 0 {
			id.Partition = p
`, `	for _, won := range g.all {
		if winners[parts[won]] != won && won.seal() != nil {
			continue
		}
		if won.records > 0 {
			id.Partition = parts[won]
`},
	}},
	{"effects of a batch that is in no log", []edit{
		{"dstream/transaction.go",
			"	if err := b.fix(ctx); err != nil {\n		return err\n	}\n	if err := b.ssc.announce(",
			"	if err := b.ssc.announce("},
	}},
	{"clock-named batches", []edit{
		{"dstream/recover.go", "	b := l.newBatch(plan.Sequence, Time(plan.Time), plan.Seed)\n",
			"	b := l.newBatch(plan.Sequence, now().Floor(l.ssc.interval), plan.Seed)\n"},
	}},
	{"hash-order output", []edit{
		{"internal/shuffle/table.go", `		for _, page := range t.cells.all {
			for i := range page {
				if !yield(page[i].key, &page[i].value) {
`, `		back := rand.IntN(2) == 0
		for _, page := range t.cells.all {
			for i := range page {
				if back {
					i = len(page) - 1 - i
				}
				if !yield(page[i].key, &page[i].value) {
`},
		{"internal/shuffle/table.go", "	\"math\"\n", "	\"math\"\n	\"math/rand/v2\"\n"},
	}},
	{"partition count from the new settings on recovery", []edit{
		{"dstream/recover.go", "		b.parallelism = plannedParallelism(plan.Split, b.parallelism)\n",
			"		b.parallelism = l.ssc.sc.Parallelism()\n"},
		{"dstream/split.go", "			if b.Plan.Split != nil && b.Plan.Split.Partitions[defaultPartitions] > 0 {\n",
			"			if b.Plan.Split == nil {\n"},
		{"dstream/fit.go", "		what := f.differently(b.Plan.Split)\n",
			"		what := f.differently(b.Plan.Split)[:0]\n"},
	}},
}
