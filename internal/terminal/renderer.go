package terminal

import (
	"errors"
	"io"
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
	// Columns of the terminal; only used when Animated. 0: 80.
	Columns int
	// Now gives the time for the seconds beside a spinner.
	Now func() time.Time
}

// Renderer shows output events. What it has printed stays, in the order in which it came; below it, on a
// terminal, stand the steps that are running and one passing remark. It is safe for concurrent use.
type Renderer struct {
	o     Options
	signs signs

	mu     sync.Mutex
	steps  []*step // running, in order of their start
	owner  string  // id of the step that the last printed line belongs to
	stdout lines
	stderr lines
	note   string
	status string
	drawn  int // lines of the live block that are on the screen
	spin   int
	err    error
	closed bool

	stop   chan struct{}
	ticker sync.WaitGroup
}

type step struct {
	id      string
	text    string
	started time.Time
	shown   bool // its start is on the screen for good
	out     lines
}

// spinEvery is how often a spinner moves.
const spinEvery = 120 * time.Millisecond

var frames = [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// NewRenderer starts one. Close must be called; it waits for the spinner's goroutine.
func NewRenderer(o Options) *Renderer {
	if o.Columns <= 0 {
		o.Columns = 80
	}
	r := &Renderer{o: o, signs: signsFor(o.Animated), stop: make(chan struct{})}
	if o.Animated {
		r.ticker.Go(r.animate)
	}
	return r
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
			if len(r.steps) > 0 || r.note != "" || r.status != "" {
				r.spin++
				r.print(nil)
			}
			r.mu.Unlock()
		}
	}
}

// Close prints what is left of unfinished lines, removes the live block and gives the first error of writing.
func (r *Renderer) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return r.err
	}
	r.closed = true
	close(r.stop)
	var rest []string
	for _, s := range r.steps {
		rest = append(rest, r.outputLines(s, s.out.flush())...)
		// Steps that never ended: say that they were running, so that their start is not lost.
		if !s.shown {
			rest = append(rest, r.startLine(s))
		}
	}
	rest = append(rest, r.rawLines(r.stdout.flush())...)
	rest = append(rest, r.rawLines(r.stderr.flush())...)
	r.steps, r.note, r.status = nil, "", ""
	r.print(rest)
	r.mu.Unlock()
	r.ticker.Wait()
	return r.err
}

// Line prints one line of our own, or several.
func (r *Renderer) Line(style Style, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owner = ""
	r.print(r.styled(style, text))
}

// Note is a passing remark, such as why a job waits. The next one takes its place; "" removes it. Without
// animation each different remark is a line.
func (r *Renderer) Note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text == r.note {
		return
	}
	r.note = text
	if r.o.Animated || text == "" {
		r.print(nil)
		return
	}
	r.owner = ""
	r.print([]string{Paint(Clean(text, r.o.Color), Dim, r.o.Color)})
}

// Event shows one event.
func (r *Renderer) Event(ev *waypointv1.OutputEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := time.UnixMilli(ev.GetTimeUnixMs())
	var out []string
	switch e := ev.GetEvent().(type) {
	case *waypointv1.OutputEvent_Line_:
		r.owner = ""
		out = r.styled(e.Line.GetStyle(), e.Line.GetText())
	case *waypointv1.OutputEvent_Status_:
		out = r.onStatus(e.Status)
	case *waypointv1.OutputEvent_NamedValues_:
		r.owner = ""
		pairs := make([][2]string, 0, len(e.NamedValues.GetValues()))
		for _, v := range e.NamedValues.GetValues() {
			pairs = append(pairs, [2]string{Clean(v.GetName(), false), v.GetValue()})
		}
		for _, l := range NamedValues(pairs, r.o.Color) {
			out = append(out, "   "+l)
		}
	case *waypointv1.OutputEvent_Table_:
		r.owner = ""
		out = r.table(e.Table)
	case *waypointv1.OutputEvent_StepGroup_:
		// Groups say which steps run side by side; each step shows itself.
	case *waypointv1.OutputEvent_Step_:
		out = r.onStep(e.Step, at)
	case *waypointv1.OutputEvent_Raw_:
		from := &r.stdout
		if e.Raw.GetStderr() {
			from = &r.stderr
		}
		out = r.rawLines(from.write(e.Raw.GetData()))
	}
	r.print(out)
}

func (r *Renderer) styled(style Style, text string) []string {
	var out []string
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		line = Clean(strings.TrimSuffix(line, "\r"), r.o.Color)
		if i == 0 {
			switch style {
			case Header:
				line = "==> " + line
			case Warning:
				line = "Warning: " + strings.TrimPrefix(line, "Warning: ")
			case Failure:
				line = "Error: " + strings.TrimPrefix(line, "Error: ")
			case Success:
				line = r.signs.done + " " + line
			}
		}
		out = append(out, Paint(line, style, r.o.Color))
	}
	return out
}

func (r *Renderer) onStatus(s *waypointv1.OutputEvent_Status) []string {
	if r.o.Animated && !s.GetDone() {
		r.status = Clean(s.GetText(), false)
		return nil
	}
	changed := s.GetText() != r.status
	r.status = ""
	if !r.o.Animated && !s.GetDone() {
		r.status = s.GetText()
		if !changed {
			return nil
		}
	}
	if s.GetText() == "" {
		return nil
	}
	r.owner = ""
	return r.styled(s.GetStyle(), s.GetText())
}

func (r *Renderer) table(t *waypointv1.OutputEvent_Table) []string {
	table := Table{}
	for _, h := range t.GetHeaders() {
		table.Columns = append(table.Columns, Column{Title: Clean(h, false)})
	}
	for _, row := range t.GetRows() {
		table.Rows = append(table.Rows, row.GetCells())
	}
	columns := 0
	if r.o.Animated {
		columns = r.o.Columns - 3
	}
	out := table.Layout(columns, r.o.Color)
	for i := range out {
		out[i] = "   " + out[i]
	}
	return out
}

func (r *Renderer) onStep(e *waypointv1.OutputEvent_Step, at time.Time) (out []string) {
	i := -1
	for k, s := range r.steps {
		if s.id == e.GetId() {
			i = k
		}
	}
	if i < 0 {
		r.steps = append(r.steps, &step{id: e.GetId(), started: at})
		i = len(r.steps) - 1
	}
	s := r.steps[i]
	if text := Clean(strings.ReplaceAll(e.GetText(), "\n", " "), false); text != "" && text != s.text {
		s.text = text
		s.shown = false
	}
	ended := e.GetState() > waypointv1.OutputEvent_STEP_STATE_RUNNING
	if !r.o.Animated && !s.shown && !ended {
		out = append(out, r.startLine(s))
	}
	out = append(out, r.outputLines(s, s.out.write(e.GetOutput()))...)
	if !ended {
		return out
	}
	out = append(out, r.outputLines(s, s.out.flush())...)
	out = append(out, r.endLine(s, e.GetState(), at))
	r.steps = append(r.steps[:i], r.steps[i+1:]...)
	r.owner = ""
	return out
}

func (r *Renderer) startLine(s *step) string {
	s.shown, r.owner = true, s.id
	return Paint(" "+r.signs.running+" "+s.text, Normal, r.o.Color)
}

func (r *Renderer) endLine(s *step, state waypointv1.OutputEvent_StepState, at time.Time) string {
	sign, style := r.signs.done, Success
	switch state {
	case waypointv1.OutputEvent_STEP_STATE_FAILED:
		sign, style = r.signs.failed, Failure
	case waypointv1.OutputEvent_STEP_STATE_WARNED:
		sign, style = r.signs.warned, Warning
	}
	line := " " + Paint(sign, style, r.o.Color) + " " + s.text
	if d := at.Sub(s.started); d >= 100*time.Millisecond {
		line += Paint(" ("+Duration(d)+")", Dim, r.o.Color)
	}
	return line
}

// outputLines puts output under its step; when another line stood between, the step is named again.
func (r *Renderer) outputLines(s *step, lines []string) (out []string) {
	for _, line := range lines {
		if r.owner != s.id {
			out = append(out, r.startLine(s))
		}
		out = append(out, "   "+Paint(r.signs.bar, Dim, r.o.Color)+" "+Clean(line, r.o.Color))
	}
	return out
}

func (r *Renderer) rawLines(lines []string) (out []string) {
	for _, line := range lines {
		r.owner = ""
		out = append(out, Clean(line, r.o.Color))
	}
	return out
}

// print writes lines that stay and draws the live block below them, in one write.
func (r *Renderer) print(stay []string) {
	var b strings.Builder
	if r.o.Animated && r.drawn > 0 {
		b.WriteString("\r")
		if r.drawn > 1 {
			b.WriteString("\x1b[" + itoa(r.drawn-1) + "A")
		}
		b.WriteString("\x1b[J")
		r.drawn = 0
	}
	for _, line := range stay {
		b.WriteString(line)
		b.WriteString("\n")
	}
	if r.o.Animated && !r.closed {
		block := r.block()
		b.WriteString(strings.Join(block, "\n"))
		r.drawn = len(block)
	}
	if b.Len() == 0 {
		return
	}
	if _, err := io.WriteString(r.o.Out, b.String()); err != nil {
		r.err = errors.Join(r.err, err)
	}
}

// maxBlock bounds the live block, so that it never grows over the screen.
const maxBlock = 10

// block is what stands below: running steps with spinners, the status, the remark.
func (r *Renderer) block() (out []string) {
	frame := frames[r.spin%len(frames)]
	now := r.o.Now()
	for i, s := range r.steps {
		if i == maxBlock {
			out = append(out, Paint("   and "+itoa(len(r.steps)-maxBlock)+" more", Dim, r.o.Color))
			break
		}
		line := " " + frame + " " + s.text
		if d := now.Sub(s.started); d >= time.Second {
			line += " " + Duration(d.Truncate(time.Second))
		}
		out = append(out, line)
	}
	if r.status != "" {
		out = append(out, " "+frame+" "+r.status)
	}
	if r.note != "" {
		out = append(out, Paint(" "+frame+" "+Clean(r.note, false), Dim, r.o.Color))
	}
	for i, line := range out {
		out[i] = truncate(line, r.o.Columns-1)
	}
	return out
}

func itoa(n int) string {
	const digits = "0123456789"
	if n < 10 {
		return digits[n : n+1]
	}
	return itoa(n/10) + digits[n%10:n%10+1]
}
