package terminal

import (
	"strings"
	"sync/atomic"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Block is the part of a Renderer that shows one job among several: see Renderer.Block. Its methods are those of the
// Renderer. It is safe for concurrent use.
type Block struct {
	r     *Renderer
	name  string
	style Style // of the name

	steps  []*step // running, in order of their start
	owner  string  // id of the step that the last printed line belongs to
	stdout lines
	stderr lines
	note   string
	status string
	folded int // lines that were folded away
	// canceled: what fails now was cut off by somebody, so the last lines of its output are enough.
	canceled atomic.Bool
}

type step struct {
	id      string
	text    string
	started time.Time
	shown   bool // its start is on the screen for good
	out     lines
	fold    fold // instead of out, where output is folded
	folded  int  // lines that the end folded away
}

// blockStyles tell blocks apart; each line has the name, too.
var blockStyles = [...]Style{Normal, Info, Success, Warning, Header}

// Line prints one line of our own, or several.
func (b *Block) Line(style Style, text string) {
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	b.print(b.styled(style, text))
}

// Note is a passing remark, such as why a job waits. The next one takes its place; "" removes it. Without
// animation each different remark is a line.
func (b *Block) Note(text string) {
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	if text == b.note {
		return
	}
	b.note = text
	if b.r.o.Animated || text == "" {
		b.print(nil)
		return
	}
	b.owner = ""
	b.print([]string{Paint(Clean(text, b.r.o.Color), Dim, b.r.o.Color)})
}

// lastWords is how many lines stay of a step that was left running.
const lastWords = 8

// End prints what is left of unfinished lines and steps, and removes the block from the live part.
func (b *Block) End() {
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	b.print(b.rest(lastWords))
}

// Fail is End for a job that failed: the whole output of the steps that it was at stays.
func (b *Block) Fail() {
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	b.print(b.rest(-1))
}

// Cancel notes that somebody cancelled the job: of the steps that fail then, only the last lines stay. It returns at
// once, also while a stopped terminal holds back what is drawn.
func (b *Block) Cancel() { b.canceled.Store(true) }

// Folded returns how many lines of output were folded away, that is, are not shown any more.
func (b *Block) Folded() int {
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	return b.folded
}

// Event shows one event.
func (b *Block) Event(ev *waypointv1.OutputEvent) {
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	at, color := time.UnixMilli(ev.GetTimeUnixMs()), b.r.o.Color
	var out []string
	switch e := ev.GetEvent().(type) {
	case *waypointv1.OutputEvent_Line_:
		out = b.styled(e.Line.GetStyle(), e.Line.GetText())
	case *waypointv1.OutputEvent_Status_:
		out = b.onStatus(e.Status)
	case *waypointv1.OutputEvent_NamedValues_:
		b.owner = ""
		pairs := make([][2]string, 0, len(e.NamedValues.GetValues()))
		for _, v := range e.NamedValues.GetValues() {
			pairs = append(pairs, [2]string{Clean(v.GetName(), false), v.GetValue()})
		}
		for _, l := range NamedValues(pairs, b.proseColumns(), color) {
			out = append(out, "   "+l)
		}
	case *waypointv1.OutputEvent_Table_:
		b.owner = ""
		out = b.table(e.Table)
	case *waypointv1.OutputEvent_StepGroup_:
		// Groups say which steps run side by side; each step shows itself.
	case *waypointv1.OutputEvent_Step_:
		out = b.onStep(e.Step, at)
	case *waypointv1.OutputEvent_Raw_:
		out = b.onRaw(e.Raw)
	}
	b.print(out)
}

// print prints lines of the block that stay.
func (b *Block) print(stay []string) { b.r.print(b.prefixed(stay)) }

// prefixed puts the block's name before each line.
func (b *Block) prefixed(lines []string) []string {
	prefix := b.prefix()
	if prefix == "" {
		return lines
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimRight(prefix+line, " ")
	}
	return out
}

func (b *Block) prefix() string {
	if b.name == "" {
		return ""
	}
	return Paint(pad(Clean(b.name, false), b.r.prefixWidth()), b.style, b.r.o.Color) + " " + Paint(b.r.signs.bar, Dim, b.r.o.Color) + " "
}

// rest ends the block: what is left of unfinished lines and steps, of a folded step at most so many lines (-1: all).
func (b *Block) rest(most int) (out []string) {
	for _, s := range b.steps {
		s.fold.flush()
		out = append(out, b.outputLines(s, s.fold.last(most))...)
		out = append(out, b.outputLines(s, s.out.flush())...)
		// Steps that never ended: say that they were running, so that their start is not lost.
		if !s.shown {
			out = append(out, b.startLine(s))
		}
	}
	out = append(out, b.rawLines(b.stdout.flush())...)
	out = append(out, b.rawLines(b.stderr.flush())...)
	b.steps, b.note, b.status, b.owner = nil, "", "", ""
	return out
}

// liveLines counts what the block has for the live part: lines, and steps with a window below them.
func (b *Block) liveLines() (heads, windows int) {
	for _, s := range b.steps {
		heads++
		if len(s.fold.tail(1)) > 0 {
			windows++
		}
	}
	if b.status != "" {
		heads++
	}
	if b.note != "" {
		heads++
	}
	return heads, windows
}

// live is the block's share of the live part, with height lines of each step's output.
func (b *Block) live(frame string, now time.Time, height int) (out []string) {
	color := b.r.o.Color
	for _, s := range b.steps {
		line := " " + frame + " " + s.text
		if d := now.Sub(s.started); d >= time.Second {
			line += " " + Duration(d.Truncate(time.Second))
		}
		out = append(out, line)
		for _, text := range s.fold.tail(height) {
			out = append(out, "   "+Paint(b.r.signs.bar, Dim, color)+" "+windowLine(text, color))
		}
	}
	if b.status != "" {
		out = append(out, " "+frame+" "+b.status)
	}
	if b.note != "" {
		out = append(out, Paint(" "+frame+" "+Clean(b.note, false), Dim, color))
	}
	return out
}

func (b *Block) styled(style Style, text string) []string {
	b.owner = ""
	var out []string
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		line, hang := Clean(strings.TrimSuffix(line, "\r"), b.r.o.Color), 0
		if i == 0 {
			hang = 2
			switch style {
			case Header:
				line, hang = "==> "+line, 4
			case Warning:
				line = "Warning: " + strings.TrimPrefix(line, "Warning: ")
			case Failure:
				line = "Error: " + strings.TrimPrefix(line, "Error: ")
			case Success:
				line = b.r.signs.done + " " + line
			default:
				hang = 0
			}
		}
		for _, part := range Wrap(line, b.proseColumns(), hang) {
			out = append(out, Paint(part, style, b.r.o.Color))
		}
	}
	return out
}

// proseColumns is how wide a line of ours is; 0: as long as it is.
func (b *Block) proseColumns() int {
	columns, _ := b.r.size()
	if columns == 0 {
		return 0
	}
	return max(1, ProseColumns(columns)-Width(b.prefix()))
}

func (b *Block) onStatus(s *waypointv1.OutputEvent_Status) []string {
	animated := b.r.o.Animated
	if animated && !s.GetDone() {
		b.status = Clean(s.GetText(), false)
		return nil
	}
	changed := s.GetText() != b.status
	b.status = ""
	if !animated && !s.GetDone() {
		b.status = s.GetText()
		if !changed {
			return nil
		}
	}
	if s.GetText() == "" {
		return nil
	}
	return b.styled(s.GetStyle(), s.GetText())
}

func (b *Block) table(t *waypointv1.OutputEvent_Table) []string {
	table := Table{}
	for _, h := range t.GetHeaders() {
		table.Columns = append(table.Columns, Column{Title: Clean(h, false)})
	}
	for _, row := range t.GetRows() {
		table.Rows = append(table.Rows, row.GetCells())
	}
	columns, _ := b.r.size()
	if columns > 0 {
		columns = max(1, columns-3-Width(b.prefix()))
	}
	out := table.Layout(columns, b.r.o.Color)
	for i := range out {
		out[i] = "   " + out[i]
	}
	return out
}

func (b *Block) onStep(e *waypointv1.OutputEvent_Step, at time.Time) (out []string) {
	i := -1
	for k, s := range b.steps {
		if s.id == e.GetId() {
			i = k
		}
	}
	if i < 0 {
		b.steps = append(b.steps, &step{id: e.GetId(), started: at})
		i = len(b.steps) - 1
	}
	s := b.steps[i]
	ended := e.GetState() > waypointv1.OutputEvent_STEP_STATE_RUNNING
	if b.r.folds() {
		if s.fold.write(stepOutput, e.GetOutput()); ended {
			out = append(out, b.unfold(s, e.GetState())...)
		}
	}
	if text := Clean(strings.ReplaceAll(e.GetText(), "\n", " "), false); text != "" && text != s.text {
		s.text = text
		s.shown = false
	}
	if !b.r.o.Animated && !s.shown && !ended {
		out = append(out, b.startLine(s))
	}
	if !b.r.folds() {
		out = append(out, b.outputLines(s, s.out.write(e.GetOutput()))...)
	}
	if !ended {
		return out
	}
	out = append(out, b.outputLines(s, s.out.flush())...)
	out = append(out, b.endLine(s, e.GetState(), at))
	b.steps = append(b.steps[:i], b.steps[i+1:]...)
	b.owner = ""
	return out
}

// unfold returns what stays of the output of a step that has ended: nothing if it succeeded, unless that is short. It
// stands under the text that the step had.
func (b *Block) unfold(s *step, state waypointv1.OutputEvent_StepState) []string {
	s.fold.flush()
	if n := s.fold.total(); n > shortOutput && state == waypointv1.OutputEvent_STEP_STATE_DONE {
		s.folded = n
		b.folded += n
		return nil
	}
	if b.canceled.Load() {
		return b.outputLines(s, s.fold.last(lastWords))
	}
	return b.outputLines(s, s.fold.last(-1))
}

func (b *Block) startLine(s *step) string {
	s.shown, b.owner = true, s.id
	return Paint(" "+b.r.signs.running+" "+s.text, Normal, b.r.o.Color)
}

func (b *Block) endLine(s *step, state waypointv1.OutputEvent_StepState, at time.Time) string {
	sign, style := b.r.signs.done, Success
	switch state {
	case waypointv1.OutputEvent_STEP_STATE_FAILED:
		sign, style = b.r.signs.failed, Failure
	case waypointv1.OutputEvent_STEP_STATE_WARNED:
		sign, style = b.r.signs.warned, Warning
	}
	line := " " + Paint(sign, style, b.r.o.Color) + " " + s.text
	var about []string
	if d := at.Sub(s.started); d >= 100*time.Millisecond {
		about = append(about, Duration(d))
	}
	if s.folded > 0 {
		about = append(about, count(s.folded, "line")+" folded")
	}
	if len(about) > 0 {
		line += Paint(" ("+strings.Join(about, ", ")+")", Dim, b.r.o.Color)
	}
	return line
}

// outputLines puts output under its step; when another line stood between, the step is named again.
func (b *Block) outputLines(s *step, lines []string) (out []string) {
	for _, line := range lines {
		if b.owner != s.id {
			out = append(out, b.startLine(s))
		}
		out = append(out, "   "+Paint(b.r.signs.bar, Dim, b.r.o.Color)+" "+Clean(line, b.r.o.Color))
	}
	return out
}

// onRaw shows what a command printed. Where output is folded, it belongs to the step that was started last.
func (b *Block) onRaw(e *waypointv1.OutputEvent_Raw) []string {
	from, stream := &b.stdout, rawStdout
	if e.GetStderr() {
		from, stream = &b.stderr, rawStderr
	}
	if b.r.folds() && len(b.steps) > 0 {
		b.steps[len(b.steps)-1].fold.write(stream, e.GetData())
		return nil
	}
	return b.rawLines(from.write(e.GetData()))
}

func (b *Block) rawLines(lines []string) (out []string) {
	for _, line := range lines {
		b.owner = ""
		out = append(out, Clean(line, b.r.o.Color))
	}
	return out
}
