package weirtest

import (
	"math"
	"reflect"
	"testing"
	"time"
)

type record struct {
	Name  string
	Tags  []string
	Price map[string]float64
	Next  *record
	At    time.Time
	Any   any
	own   []int
}

// TestEqual compares as a test means it, not as Go's == or reflect.DeepEqual.
func TestEqual(t *testing.T) {
	utc := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	nan := math.NaN()
	close := func(a, b float64) bool { return math.Abs(a-b) < 0.01 }
	for _, tt := range []struct {
		name  string
		a, b  any
		given []any
		want  bool
	}{
		{"same", record{Name: "a", own: []int{1}}, record{Name: "a", own: []int{1}}, nil, true},
		{"fields that are not exported", record{own: []int{1}}, record{own: []int{2}}, nil, false},
		{"nil and empty", record{Tags: []string{}, own: nil}, record{Price: map[string]float64{}, own: []int{}}, nil, true},
		{"pointers", record{Next: &record{Name: "b"}}, record{Next: &record{Name: "b"}}, nil, true},
		{"pointers to what differs", record{Next: &record{Name: "b"}}, record{Next: &record{Name: "c"}}, nil, false},
		{"a pointer and nil", record{Next: &record{}}, record{}, nil, false},
		{"one time in two zones", record{At: utc}, record{At: utc.In(time.FixedZone("x", 3600))}, nil, true},
		{"two times", record{At: utc}, record{At: utc.Add(1)}, nil, false},
		{"NaN", []float64{nan}, []float64{nan}, nil, true},
		{"NaN and not", nan, 1.0, nil, false},
		{"maps", map[string]float64{"a": 1}, map[string]float64{"b": 1}, nil, false},
		{"values of maps", map[string]float64{"a": nan}, map[string]float64{"a": nan}, nil, true},
		{"lengths", []int{1}, []int{1, 2}, nil, false},
		{"lengths of maps", map[int]int{1: 1}, map[int]int{}, nil, false},
		{"anything", record{Any: []int{1}}, record{Any: []int{1}}, nil, true},
		{"anything of two types", record{Any: 1}, record{Any: int64(1)}, nil, false},
		{"anything and nothing", record{Any: 1}, record{}, nil, false},
		{"close, inside", map[string]float64{"a": 1.001}, map[string]float64{"a": 1}, []any{close}, true},
		{"not close", 1.1, 1.0, []any{close}, false},
		{"another type", float32(1.001), float32(1), []any{close}, false},
	} {
		c := newComparer(tt.given)
		for _, pair := range [][2]any{{tt.a, tt.b}, {tt.b, tt.a}} {
			if got := c.equal(reflect.ValueOf(&pair[0]).Elem(), reflect.ValueOf(&pair[1]).Elem()); got != tt.want {
				t.Errorf("%s: %+v and %+v are equal: %v, want %v", tt.name, pair[0], pair[1], got, tt.want)
			}
		}
	}
}
