package entrypoint

import (
	"bytes"
	"strings"
	"sync"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

const (
	// maxLine is the longest line that is sent; longer ones are cut into several.
	maxLine = 16 << 10
	// batchBytes is when a batch is full and is sent at once, and how much one batch holds.
	batchBytes = 64 << 10
	// bufferBytes is how much waits for a server that is away. Then the oldest lines are dropped and counted.
	bufferBytes = 8 << 20
	// lineOverhead is what a line costs besides its text, in memory and on the wire, roughly.
	lineOverhead = 48
)

// buffer holds log lines until they are sent. It is bounded, and it is the only thing that the app's output
// and the network share, so a slow server never slows the app.
type buffer struct {
	mu      sync.Mutex
	lines   []*waypointv1.LogLine
	size    int
	dropped int64
	// droppedBytes are those of the dropped lines.
	droppedBytes int64
	limit        int
	// allow bounds how much is taken in the long run; nil: nothing does.
	allow *allowance
	// some gets a token when lines come, full when a whole batch waits.
	some, full chan struct{}
}

func newBuffer(limit int) *buffer {
	return &buffer{limit: limit, some: make(chan struct{}, 1), full: make(chan struct{}, 1)}
}

func cost(l *waypointv1.LogLine) int { return len(l.GetText()) + lineOverhead }

// add appends lines and drops the oldest if there is no room.
func (b *buffer) add(lines ...*waypointv1.LogLine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range lines {
		if !b.allow.take(cost(l), time.UnixMilli(l.GetTimeUnixMs())) {
			b.dropped++
			b.droppedBytes += int64(len(l.GetText()))
			continue
		}
		b.lines = append(b.lines, l)
		b.size += cost(l)
	}
	drop := 0
	for b.size > b.limit && drop < len(b.lines)-1 {
		b.size -= cost(b.lines[drop])
		b.droppedBytes += int64(len(b.lines[drop].GetText()))
		b.lines[drop] = nil
		drop++
	}
	b.lines = b.lines[drop:]
	b.dropped += int64(drop)
	offer(b.some)
	if b.size >= batchBytes {
		offer(b.full)
	}
}

// offer leaves a token in a channel that has room for one.
func offer(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take removes the oldest lines, one batch at most, and the count of lines and bytes that were dropped.
func (b *buffer) take() (lines []*waypointv1.LogLine, dropped, droppedBytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size, n := 0, 0
	for n < len(b.lines) && (n == 0 || size+cost(b.lines[n]) <= batchBytes) {
		size += cost(b.lines[n])
		n++
	}
	lines = b.lines[:n:n]
	b.lines = b.lines[n:]
	b.size -= size
	if len(b.lines) == 0 {
		b.lines = nil // lets the array go
	}
	dropped, b.dropped = b.dropped, 0
	droppedBytes, b.droppedBytes = b.droppedBytes, 0
	return lines, dropped, droppedBytes
}

// lost counts lines that were taken and could not be delivered.
func (b *buffer) lost(n, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped += n
	b.droppedBytes += bytes
}

// hasBatch says whether a whole batch waits.
func (b *buffer) hasBatch() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size >= batchBytes
}

func (b *buffer) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lines) == 0 && b.dropped == 0
}

// splitter cuts one output stream of the app into lines. It is used by one goroutine, and flushed by another.
type splitter struct {
	mu      sync.Mutex
	to      *buffer
	stderr  bool
	now     func() time.Time
	partial []byte
	since   time.Time
}

// Write never fails and never blocks on anything but memory.
func (s *splitter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(p)
	var lines []*waypointv1.LogLine
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			if len(s.partial) == 0 {
				s.since = s.now()
			}
			s.partial = append(s.partial, p...)
			break
		}
		text := p[:i]
		if len(s.partial) > 0 {
			s.partial = append(s.partial, text...)
			text = s.partial
		}
		lines = s.cut(lines, text)
		s.partial = s.partial[:0]
		p = p[i+1:]
	}
	for len(s.partial) > maxLine {
		lines = append(lines, s.line(s.partial[:maxLine]))
		s.partial = append(s.partial[:0], s.partial[maxLine:]...)
	}
	if len(lines) > 0 {
		s.to.add(lines...)
	}
	return n, nil
}

func (s *splitter) cut(lines []*waypointv1.LogLine, text []byte) []*waypointv1.LogLine {
	for len(text) > maxLine {
		lines = append(lines, s.line(text[:maxLine]))
		text = text[maxLine:]
	}
	return append(lines, s.line(text))
}

func (s *splitter) line(text []byte) *waypointv1.LogLine {
	return &waypointv1.LogLine{
		TimeUnixMs: s.now().UnixMilli(),
		Text:       strings.ToValidUTF8(strings.TrimSuffix(string(text), "\r"), "\uFFFD"),
		Stderr:     s.stderr,
	}
}

// flush passes on a line that has no end yet, if it is older than age: a prompt, or the last words of an app.
func (s *splitter) flush(age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.partial) == 0 || s.now().Sub(s.since) < age {
		return
	}
	s.to.add(s.line(s.partial))
	s.partial = s.partial[:0]
}
