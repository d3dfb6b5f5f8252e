package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// results are medians in seconds by contest and way, compared with those that were kept last, and kept in their place.
// They are of one machine: a difference counts on the same one only.
type results struct {
	file    string
	medians map[string]float64
	order   []string
}

func newResults() *results {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return &results{file: filepath.Join(cache, "weir-bench", "core.json"), medians: map[string]float64{}}
}

func (r *results) add(contest string, rows []*row) {
	for _, x := range rows {
		r.set(contest+" · "+x.name, x.median())
	}
}

func (r *results) set(name string, median float64) {
	r.medians[name] = median
	r.order = append(r.order, name)
}

// compareAndKeep prints what changed by more than a tenth, and keeps the new figures.
func (r *results) compareAndKeep() error {
	before := map[string]float64{}
	if data, err := os.ReadFile(r.file); err == nil {
		if err := json.Unmarshal(data, &before); err != nil {
			return fmt.Errorf("%s: %w: remove it", r.file, err)
		}
	}
	for _, name := range r.order {
		if old, ok := before[name]; ok && old > 0 {
			if change := r.medians[name]/old - 1; change > 0.1 || change < -0.1 {
				fmt.Printf("%+.0f%% time: %s (%.3g s, last kept %.3g s)\n", 100*change, name, r.medians[name], old)
			}
		}
		before[name] = r.medians[name]
	}
	data, err := json.MarshalIndent(before, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(r.file), 0o755); err != nil {
		return err
	}
	fmt.Printf("kept in %s\n", r.file)
	return os.WriteFile(r.file, append(data, '\n'), 0o644)
}

// middle is the median.
func middle(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	return s[len(s)/2]
}
