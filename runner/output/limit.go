package output

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// How much a job may print: a build that prints without end must not fill the server's table, for which somebody pays. What is
// above is left out, not waited for, so that a job takes no longer for it; and the output says how much it was.
const (
	// DefaultRate is what a job may print in the long run, in bytes a second.
	DefaultRate = 1 << 20
	// burstSeconds: at once a job may print what it may print in so many seconds at twice the rate.
	burstSeconds = 10
	// burstLeast keeps a small rate from leaving out what is printed at once.
	burstLeast = 256 << 10
)

// limiter counts what is printed and what of it is left out. The writer's mutex guards it.
type limiter struct {
	perSecond int
	allow     *rate.Limiter
	// dropping lasts until there is room for a second's output again, so that whole passages are dropped and not every other line.
	dropping bool
	// lines and bytes were left out since the last note, allLines and allBytes in all.
	lines, bytes, allLines, allBytes int64
}

func newLimiter(perSecond int) *limiter {
	if perSecond <= 0 {
		return nil
	}
	return &limiter{perSecond: perSecond, allow: rate.NewLimiter(rate.Limit(perSecond), max(2*burstSeconds*perSecond, burstLeast))}
}

// admits reports whether n bytes more may be printed.
func (l *limiter) admits(now time.Time, n int) bool {
	if l == nil {
		return true
	}
	if l.dropping && !l.recovered(now) {
		return false
	}
	l.dropping = !l.allow.AllowN(now, n)
	return !l.dropping
}

func (l *limiter) recovered(now time.Time) bool { return l.allow.TokensAt(now) >= float64(l.perSecond) }

func (l *limiter) drop(lines, bytes int) {
	l.lines, l.allLines = l.lines+int64(lines), l.allLines+int64(lines)
	l.bytes, l.allBytes = l.bytes+int64(bytes), l.allBytes+int64(bytes)
}

// limited reports whether an event counts. Steps are always shown: they are few, and their output is a stream.
func limited(e *waypointv1.OutputEvent) bool { return e.GetStep() == nil }

// note words what was left out since the last note; nil if nothing was.
func (l *limiter) note() *waypointv1.OutputEvent {
	if l == nil || l.bytes == 0 {
		return nil
	}
	text := fmt.Sprintf("%d lines (%d bytes) were left out: more than %s at once, and %s a second in the long run",
		max(l.lines, 1), l.bytes, size(l.allow.Burst()), size(l.perSecond))
	l.lines, l.bytes = 0, 0
	return &waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Line_{
		Line: &waypointv1.OutputEvent_Line{Text: text, Style: waypointv1.OutputEvent_STYLE_WARNING},
	}}
}

// size words a number of bytes.
func size(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// LeftOut returns how many lines and bytes were left out.
func (w *Writer) LeftOut() (lines, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit == nil {
		return 0, 0
	}
	return w.limit.allLines, w.limit.allBytes
}

// admit returns what of a piece of a stream may be shown. After a passage that was dropped it goes on with a whole line. The
// caller holds mu.
func (s *stream) admit(piece []byte) []byte {
	l := s.w.limit
	if len(piece) == 0 {
		return nil
	}
	if !l.admits(s.w.o.Now(), len(piece)) {
		l.drop(bytes.Count(piece, []byte{'\n'}), len(piece))
		s.cutOff = piece[len(piece)-1] != '\n'
		return nil
	}
	if s.cutOff {
		end := bytes.IndexByte(piece, '\n') + 1
		if end == 0 {
			end = len(piece)
		} else {
			s.cutOff = false
		}
		l.drop(min(end, 1), end)
		piece = piece[end:]
	}
	if len(piece) > 0 {
		s.w.noteDropped()
	}
	return piece
}

// noteDropped shows how much was dropped until now. The caller holds mu.
func (w *Writer) noteDropped() {
	note := w.limit.note()
	if note == nil {
		return
	}
	for _, s := range w.streams {
		s.release(whole)
	}
	w.push(note, nil)
}

// noteDue tells how long it is until what was dropped is shown though nothing follows it; 0: now, negative: never. The caller
// holds mu.
func (w *Writer) noteDue(now time.Time, urgent bool) time.Duration {
	switch l := w.limit; {
	case l == nil || l.bytes == 0:
		return -1
	case urgent || l.recovered(now):
		return 0
	}
	return time.Second
}
