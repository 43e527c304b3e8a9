package terminal

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Options of a Renderer.
type Options struct {
	Out   io.Writer
	Color bool
	// Animated: running steps and passing remarks are redrawn below what stays. Otherwise each is a line.
	Animated bool
	// Whole: each line of a step's output stays. Otherwise, when Animated, a window shows the last lines of a running
	// step; they stay when the step fails, and fold to their number when it succeeds.
	Whole bool
	// Size is asked for the terminal's columns and rows whenever something is drawn, so that a resize counts at once;
	// 0 or nil: unknown, which is taken as 80 and 24. It is only used when Animated.
	Size func() (columns, rows int)
	// Now gives the time for the seconds beside a spinner.
	Now func() time.Time
}

// Renderer shows output events. What it has printed stays, in the order in which it came; below it, on a terminal,
// stands the live part: the steps that are running and passing remarks. It is safe for concurrent use.
//
// One job's events go to the Renderer itself. Several jobs side by side get a Block each.
//
// The cursor rests at the start of the live part, not at its end. A terminal that rewraps its lines when it is resized
// moves the cursor along, so that erasing from the cursor on removes the live part whatever its lines have become.
type Renderer struct {
	o     Options
	signs signs
	main  *Block

	mu     sync.Mutex
	blocks []*Block // the main one first
	drawn  bool     // the live part is on the screen
	spin   int
	err    error
	closed bool

	stop   chan struct{}
	ticker sync.WaitGroup
}

// spinEvery is how often a spinner moves, and at most how long a resized terminal shows what was drawn for its old size.
const spinEvery = 120 * time.Millisecond

var frames = [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// NewRenderer starts one. Close must be called; it waits for the spinner's goroutine.
func NewRenderer(o Options) *Renderer {
	r := &Renderer{o: o, signs: signsFor(o.Animated), stop: make(chan struct{})}
	r.main = r.Block("")
	if o.Animated {
		r.ticker.Go(r.animate)
	}
	return r
}

// Block returns the block of that name and makes it if there is none. Each of its lines begins with the name, and its
// steps, unfinished lines and remark are its own: events of several jobs may come in any order and from several
// goroutines. The block named "" is the Renderer itself, whose lines have no prefix. Make all blocks before the first
// event, so that their prefixes are equally wide.
func (r *Renderer) Block(name string) *Block {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.blocks {
		if b.name == name {
			return b
		}
	}
	b := &Block{r: r, name: name, style: blockStyles[len(r.blocks)%len(blockStyles)]}
	r.blocks = append(r.blocks, b)
	return b
}

// Event shows one event.
func (r *Renderer) Event(ev *waypointv1.OutputEvent) { r.main.Event(ev) }

// Fail is End for a job that failed.
func (r *Renderer) Fail() { r.main.Fail() }

// Cancel notes that somebody cancelled the job: of the steps that fail then, only the last lines stay.
func (r *Renderer) Cancel() { r.main.Cancel() }

// End prints what is left of unfinished lines and steps.
func (r *Renderer) End() { r.main.End() }

// Folded returns how many lines of output were folded away.
func (r *Renderer) Folded() int { return r.main.Folded() }

// Line prints one line of our own, or several.
func (r *Renderer) Line(style Style, text string) { r.main.Line(style, text) }

// Note is a passing remark, such as why a job waits. The next one takes its place; "" removes it. Without
// animation each different remark is a line.
func (r *Renderer) Note(text string) { r.main.Note(text) }

// Close ends every block, removes the live part and returns the first error of writing.
func (r *Renderer) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return r.err
	}
	r.closed = true
	close(r.stop)
	var rest []string
	for _, b := range r.blocks {
		rest = append(rest, b.prefixed(b.rest(lastWords))...)
	}
	r.print(rest)
	r.mu.Unlock()
	r.ticker.Wait()
	return r.err
}

// Write prints what others have for the same terminal, in whole lines, above the live part.
func (r *Renderer) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.drawn {
		return r.o.Out.Write(p)
	}
	r.print([]string{strings.TrimSuffix(string(p), "\n")})
	return len(p), nil
}

func (r *Renderer) animate() {
	t := time.NewTicker(spinEvery)
	defer t.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-t.C:
			r.mu.Lock()
			if r.drawn {
				r.spin++
				r.print(nil)
			}
			r.mu.Unlock()
		}
	}
}

// Sizes that are assumed of a terminal that does not tell them.
const (
	usualColumns = 80
	usualRows    = 24
)

// size is the terminal's size; columns are 0 where lines are not cut.
func (r *Renderer) size() (columns, rows int) {
	if !r.o.Animated {
		return 0, 0
	}
	if r.o.Size != nil {
		columns, rows = r.o.Size()
	}
	if columns <= 0 {
		columns = usualColumns
	}
	if rows <= 0 {
		rows = usualRows
	}
	return columns, rows
}

const (
	eraseBelow = "\r\x1b[J"
	// A terminal may count a character wider than we do: without automatic wrapping the line is then cut at the margin,
	// and the rows that were drawn are those that were counted.
	noWrap, wrap = "\x1b[?7l", "\x1b[?7h"
)

// print writes lines that stay and draws the live part below them, in one write. The caller holds mu.
func (r *Renderer) print(stay []string) {
	var b strings.Builder
	if r.drawn {
		b.WriteString(eraseBelow)
		r.drawn = false
	}
	for _, line := range stay {
		b.WriteString(line)
		b.WriteString("\n")
	}
	if live := r.live(); len(live) > 0 {
		b.WriteString(noWrap + strings.Join(live, "\n") + wrap + "\r")
		if up := len(live) - 1; up > 0 {
			b.WriteString("\x1b[" + strconv.Itoa(up) + "A")
		}
		r.drawn = true
	}
	if b.Len() == 0 {
		return
	}
	if _, err := io.WriteString(r.o.Out, b.String()); err != nil {
		r.err = errors.Join(r.err, err)
	}
}

// mostLive bounds the running steps and remarks that are shown at once.
const mostLive = 10

// live is what stands below: running steps with spinners and their windows, the status, the remark. It never fills the
// screen: what had scrolled out at its top could not be erased again.
func (r *Renderer) live() (out []string) {
	if !r.o.Animated || r.closed {
		return nil
	}
	columns, rows := r.size()
	frame, now := frames[r.spin%len(frames)], r.o.Now()
	heads, windows := 0, 0
	for _, b := range r.blocks {
		h, w := b.liveLines()
		heads, windows = heads+h, windows+w
	}
	height := windowHeight(rows, heads, windows)
	if heads > mostLive {
		height = 0
	}
	for _, b := range r.blocks {
		out = append(out, b.prefixed(b.live(frame, now, height))...)
	}
	most := max(1, rows-2)
	if heads > mostLive {
		most = min(most, mostLive)
	}
	if len(out) > most {
		hidden := len(out) - (most - 1)
		out = append(out[:most-1], Paint("   and "+strconv.Itoa(hidden)+" more", Dim, r.o.Color))
	}
	for i, line := range out {
		out[i] = truncate(line, columns-1)
	}
	return out
}

// folds reports whether the output of steps is folded.
func (r *Renderer) folds() bool { return r.o.Animated && !r.o.Whole }

// prefixWidth is how wide the names of the blocks are.
func (r *Renderer) prefixWidth() int {
	n := 0
	for _, b := range r.blocks {
		n = max(n, Width(b.name))
	}
	return n
}
