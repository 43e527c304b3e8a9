package output

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

var _ plugin.UI = (*Writer)(nil)

// textMost bounds one line, cell or value: an event must fit a batch.
const textMost = 64 << 10

// Line shows a line.
func (w *Writer) Line(style plugin.Style, format string, args ...any) {
	w.add(&waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Line_{Line: &waypointv1.OutputEvent_Line{
		Text: w.text(format, args), Style: wireStyle(style),
	}}}, nil)
}

// Status shows a passing state; the last counts.
func (w *Writer) Status(style plugin.Style, done bool, format string, args ...any) {
	w.add(&waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Status_{Status: &waypointv1.OutputEvent_Status{
		Text: w.text(format, args), Style: wireStyle(style), Done: done,
	}}}, nil)
}

// Table shows a table. One that is too large for an event is shown in parts, each under its headers.
func (w *Writer) Table(headers []string, rows [][]string) {
	table := &waypointv1.OutputEvent_Table{Headers: fitCells(w.clean(headers))}
	size := 0
	show := func() {
		w.add(&waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Table_{Table: table}}, nil)
	}
	for _, row := range rows {
		cells := fitCells(w.clean(row))
		for _, cell := range cells {
			size += len(cell) + eventOverhead
		}
		if size > textMost && len(table.Rows) > 0 {
			show()
			table, size = &waypointv1.OutputEvent_Table{Headers: table.Headers}, 0
		}
		table.Rows = append(table.Rows, &waypointv1.OutputEvent_Table_Row{Cells: cells})
	}
	show()
}

// cellsMost bounds how many cells of a row are shown.
const cellsMost = 256

// fitCells shortens a row that is too large for an event.
func fitCells(cells []string) []string {
	size := 0
	for _, cell := range cells {
		size += len(cell) + eventOverhead
	}
	if size <= textMost {
		return cells
	}
	cells = cells[:min(len(cells), cellsMost)]
	for i, cell := range cells {
		cells[i] = validate.Shorten(cell, textMost/len(cells))
	}
	return cells
}

// NamedValues shows names and values below one another; many large ones in several events.
func (w *Writer) NamedValues(pairs ...[2]string) {
	values := &waypointv1.OutputEvent_NamedValues{}
	size := 0
	show := func() {
		w.add(&waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_NamedValues_{NamedValues: values}}, nil)
	}
	for _, pair := range pairs {
		cells := fitCells([]string{w.cleanText(pair[0]), w.cleanText(pair[1])})
		more := len(cells[0]) + len(cells[1]) + 2*eventOverhead
		if size+more > textMost && len(values.Values) > 0 {
			show()
			values, size = &waypointv1.OutputEvent_NamedValues{}, 0
		}
		size += more
		values.Values = append(values.Values, &waypointv1.OutputEvent_NamedValue{Name: cells[0], Value: cells[1]})
	}
	show()
}

// Stdout takes what commands print.
func (w *Writer) Stdout() io.Writer { return w.stdout }

// Stderr takes what commands print as errors.
func (w *Writer) Stderr() io.Writer { return w.stderr }

// Step starts a step.
func (w *Writer) Step(format string, args ...any) plugin.Step {
	w.mu.Lock()
	w.ids++
	s := &step{w: w, id: w.o.Prefix + strconv.Itoa(w.ids)}
	s.out = w.newStream(func(data []byte) *waypointv1.OutputEvent {
		return stepEvent(&waypointv1.OutputEvent_Step{Id: s.id, State: waypointv1.OutputEvent_STEP_STATE_RUNNING, Output: data})
	})
	w.streams = append(w.streams, s.out)
	w.mu.Unlock()
	s.show(waypointv1.OutputEvent_STEP_STATE_RUNNING, format, args)
	return s
}

type step struct {
	w   *Writer
	id  string
	out *stream

	once sync.Once
}

func (s *step) Update(format string, args ...any) {
	s.show(waypointv1.OutputEvent_STEP_STATE_RUNNING, format, args)
}

func (s *step) Output() io.Writer { return s.out }

func (s *step) Done(format string, args ...any) {
	s.end(waypointv1.OutputEvent_STEP_STATE_DONE, format, args)
}

func (s *step) Fail(format string, args ...any) {
	s.end(waypointv1.OutputEvent_STEP_STATE_FAILED, format, args)
}

// end ends the step once; a second end is ignored, so that Fail may stand in a defer.
func (s *step) end(state waypointv1.OutputEvent_StepState, format string, args []any) {
	s.once.Do(func() {
		s.w.mu.Lock()
		s.out.release(ended)
		s.w.mu.Unlock()
		s.show(state, format, args)
		s.w.mu.Lock()
		defer s.w.mu.Unlock()
		s.w.streams = slices.DeleteFunc(s.w.streams, func(other *stream) bool { return other == s.out })
	})
}

func (s *step) show(state waypointv1.OutputEvent_StepState, format string, args []any) {
	s.w.add(stepEvent(&waypointv1.OutputEvent_Step{Id: s.id, Text: s.w.text(format, args), State: state}), nil)
}

func stepEvent(s *waypointv1.OutputEvent_Step) *waypointv1.OutputEvent {
	return &waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Step_{Step: s}}
}

// text formats; without arguments the format is text, in which '%' is a character like any other.
func (w *Writer) text(format string, args []any) string {
	if len(args) == 0 {
		return w.cleanText(format)
	}
	return w.cleanText(fmt.Sprintf(format, args...))
}

// cleanText makes text fit for the wire: without what is sensitive, valid UTF-8, and not too long. Hiding comes first: half
// of a value would not be recognised.
func (w *Writer) cleanText(s string) string {
	s = w.o.Secrets.Hide(s)
	return strings.ToValidUTF8(validate.Shorten(s, textMost), "\uFFFD")
}

func (w *Writer) clean(texts []string) []string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = w.cleanText(s)
	}
	return out
}

func wireStyle(s plugin.Style) waypointv1.OutputEvent_Style {
	switch s {
	case plugin.Header:
		return waypointv1.OutputEvent_STYLE_HEADER
	case plugin.Info:
		return waypointv1.OutputEvent_STYLE_INFO
	case plugin.Warning:
		return waypointv1.OutputEvent_STYLE_WARNING
	case plugin.Failure:
		return waypointv1.OutputEvent_STYLE_ERROR
	case plugin.Success:
		return waypointv1.OutputEvent_STYLE_SUCCESS
	case plugin.Dim:
		return waypointv1.OutputEvent_STYLE_DIM
	default:
		return waypointv1.OutputEvent_STYLE_UNSPECIFIED
	}
}
