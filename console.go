package weir

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// A console is a terminal whose last line changes: what is written for good comes above that line.
type console struct {
	w     io.Writer
	width func() int
	// turn holds a token of whoever writes. It is no mutex, for writing to a terminal may block.
	turn chan struct{}
	// shown is the line that stands there; who has the turn may look at it.
	shown string
}

// usualWidth is taken for that of a terminal that does not tell.
const usualWidth = 80

func newConsole(w io.Writer) *console {
	width := func() int { return usualWidth }
	if f, ok := w.(*os.File); ok {
		width = func() int {
			if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
				return n
			}
			return usualWidth
		}
	}
	return &console{w: w, width: width, turn: make(chan struct{}, 1)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// beside gives a writer to w, which is the same terminal.
func (c *console) beside(w io.Writer) io.Writer { return besides{c, w} }

type besides struct {
	c *console
	w io.Writer
}

// Write wipes the line, and draws it again below whole lines. After the beginning of one it is left to who draws it
// next.
func (b besides) Write(p []byte) (int, error) {
	b.c.turn <- struct{}{}
	defer func() { <-b.c.turn }()
	line := b.c.shown
	b.c.wipe()
	n, err := b.w.Write(p)
	if len(p) > 0 && p[len(p)-1] == '\n' {
		b.c.draw(line)
	}
	return n, err
}

// show has the last line be what line gives for the terminal's width, or none if that is empty. It is asked when it is
// its turn, so that no line of the past comes after one of the present.
func (c *console) show(line func(width int) string) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	now := line(c.width())
	if len(now) < len(c.shown) {
		c.wipe()
	}
	c.draw(now)
}

func (c *console) draw(line string) {
	if line != "" {
		// A terminal that does not take it has nothing to show.
		_, _ = io.WriteString(c.w, "\r"+line)
		c.shown = line
	}
}

func (c *console) wipe() {
	if c.shown != "" {
		_, _ = io.WriteString(c.w, "\r"+strings.Repeat(" ", len(c.shown))+"\r")
		c.shown = ""
	}
}
