package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// However a commit ends and whenever, its error is told once: to the batch that waits for it, or else by unheard.
func TestMirrorTellsErrorsOnce(t *testing.T) {
	failed := errors.New("failed")
	for name, takes := range map[string]time.Duration{
		"at once": 0, "in time": commitPatience / 2, "as long as is waited": commitPatience, "late": 2 * commitPatience,
	} {
		t.Run(name, func(t *testing.T) {
			for range 200 {
				synctest.Test(t, func(t *testing.T) {
					var m mirror
					unheard := 0
					c := &mirrored{done: make(chan struct{})}
					send := func(c *mirrored) {
						time.Sleep(takes)
						c.err = failed
					}
					if !m.submit(c, send, func(*mirrored) { unheard++ }) {
						t.Fatal("the only commit is to wait")
					}
					heard := m.await(t.Context(), c)
					if err := m.flush(t.Context()); err != nil {
						t.Fatal(err)
					}
					if (heard != nil) == (unheard == 1) || unheard > 1 {
						t.Fatalf("the batch was told %v, and %d errors were told otherwise", heard, unheard)
					}
				})
			}
		})
	}
}

// A commit that is replaced while it waits leaves its callbacks to the one in its place, and what goes wrong in them.
func TestMirrorReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m mirror
		var told []string
		var unheard []error
		send := func(c *mirrored) {
			time.Sleep(10 * time.Second)
			var errs []error
			for _, tell := range c.tell {
				errs = append(errs, tell(nil))
			}
			c.err = errors.Join(errs...)
		}
		note := func(c *mirrored) { unheard = append(unheard, c.err) }
		panicked := errors.New("panicked")
		for _, name := range []string{"first", "replaced", "last"} {
			c := &mirrored{done: make(chan struct{})}
			c.tell = append(c.tell, func(error) error {
				told = append(told, name)
				if name == "replaced" {
					return panicked
				}
				return nil
			})
			if m.submit(c, send, note) {
				if err := m.await(context.Background(), c); err != nil {
					t.Error(err)
				}
			}
		}
		if err := m.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(told, []string{"first", "replaced", "last"}) {
			t.Errorf("told %v", told)
		}
		if len(unheard) != 1 || !errors.Is(unheard[0], panicked) {
			t.Errorf("unheard %v", unheard)
		}
	})
}
