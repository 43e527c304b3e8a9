package output

import (
	"bytes"
	"time"
	"unicode/utf8"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// stream takes what a command prints. It passes whole lines on at once and holds the rest of a line back for a
// moment, so that events are cut between lines, or at least never inside a character.
type stream struct {
	w     *Writer
	event func(data []byte) *waypointv1.OutputEvent
	// hiding has what may be the beginning of a sensitive value; held is free of them.
	hiding *redact.Stream
	held   []byte
	heldAt time.Time
	// cutOff: what was dropped last ended within a line, the rest of which is dropped too.
	cutOff bool
}

func (w *Writer) newStream(event func(data []byte) *waypointv1.OutputEvent) *stream {
	return &stream{w: w, event: event, hiding: w.o.Secrets.Stream()}
}

// How much of what is held back release passes on.
type releasing int

const (
	// lapsed: the time is over. What ends inside a character stays.
	lapsed releasing = iota
	// whole: something else is to be shown after it. What may be the beginning of a sensitive value stays unless it is
	// too short to tell anything, so that it may come later than it should; the rest of the value can still follow.
	whole
	// ended: nothing follows for now. Nothing stays.
	ended
)

// Write never fails: a command must not die of its output. It blocks while the buffer is full, and drops when
// the writer has failed or is closed.
func (s *stream) Write(p []byte) (int, error) {
	n := len(p)
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(p) > 0 {
		for w.size >= bufferMost && w.failed == nil && !w.closed {
			w.room.Wait()
		}
		if w.failed != nil || w.closed {
			return n, nil
		}
		piece := p[:min(len(p), pieceMost)]
		p = p[len(piece):]
		// What is sensitive is taken out first: of a value that is cut here the rest would not be recognised.
		shown := s.admit(s.hiding.Write(piece)) // may pass on what is held
		s.held = append(s.held, shown...)
		s.emit(lineCut(s.held))
		s.heldAt = w.o.Now()
		w.nudge()
	}
	return n, nil
}

// heldFor is how much longer a rest of a line may be held; without one, long.
func (s *stream) heldFor(now time.Time) time.Duration {
	if len(s.held) == 0 && !s.tellsNothing() {
		return time.Hour
	}
	return interval - now.Sub(s.heldAt)
}

// tellsNothing reports whether something is held back as the beginning of a sensitive value that is too short to matter.
func (s *stream) tellsNothing() bool {
	n := s.hiding.Held()
	return n > 0 && n < redact.MinLength
}

// release passes on the rest of a line. The caller holds mu.
func (s *stream) release(how releasing) {
	if how == ended || s.tellsNothing() {
		s.held = append(s.held, s.hiding.Release()...)
	}
	cut := len(s.held)
	if how == lapsed {
		if at := runeCut(s.held); at > 0 {
			cut = at
		}
	}
	s.emit(cut)
}

// emit makes the first n held bytes an event, or part of the last one. The caller holds mu.
func (s *stream) emit(n int) {
	if n == 0 {
		return
	}
	data := bytes.Clone(s.held[:n])
	s.held = append(s.held[:0], s.held[n:]...)
	w := s.w
	if w.lastFrom == s {
		last := w.pending[len(w.pending)-1]
		if grow(last, data) {
			w.size += len(data)
			return
		}
	}
	w.push(s.event(data), s)
}

// grow adds data to an event of a stream, unless that makes it large.
func grow(e *waypointv1.OutputEvent, data []byte) bool {
	if raw := e.GetRaw(); raw != nil && len(raw.Data)+len(data) <= batchSoft {
		raw.Data = append(raw.Data, data...)
		return true
	}
	if step := e.GetStep(); step != nil && len(step.Output)+len(data) <= batchSoft {
		step.Output = append(step.Output, data...)
		return true
	}
	return false
}

// lineCut says how much may go now: up to the last line's end; of a line longer than a batch, all but a cut character.
func lineCut(b []byte) int {
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	if len(b) >= batchSoft {
		return runeCut(b)
	}
	return 0
}

// runeCut is the length of b without an incomplete character at its end. Bytes that are no UTF-8 are left as they are.
func runeCut(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if !utf8.RuneStart(b[i]) {
			continue
		}
		if utf8.FullRune(b[i:]) {
			return len(b)
		}
		return i
	}
	return len(b)
}

func rawEvent(data []byte, isErr bool) *waypointv1.OutputEvent {
	return &waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Raw_{Raw: &waypointv1.OutputEvent_Raw{Data: data, Stderr: isErr}}}
}
