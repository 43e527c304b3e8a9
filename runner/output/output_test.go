package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// log accepts appends as the server does: by position, a repeat of the same batch answered as accepted.
type log struct {
	mu      sync.Mutex
	batches [][]*waypointv1.OutputEvent
	// loseReply and refuse say, per call, what goes wrong.
	fault func(call int) (loseReply, refuse bool)
	calls int
	hold  chan struct{}
}

var errLost = errors.New("the reply was lost")

func (l *log) append(ctx context.Context, position int64, events []*waypointv1.OutputEvent) (int64, error) {
	if l.hold != nil {
		select {
		case <-l.hold:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	var lose, refuse bool
	if l.fault != nil {
		lose, refuse = l.fault(l.calls)
	}
	switch {
	case refuse:
		return 0, errLost
	case position == int64(len(l.batches)):
		copied := make([]*waypointv1.OutputEvent, len(events))
		for i, e := range events {
			copied[i] = proto.CloneOf(e)
		}
		l.batches = append(l.batches, copied)
	case position == int64(len(l.batches))-1 && equal(l.batches[position], events):
	default:
		return 0, fmt.Errorf("append at %d while %d is next, or a repeat that differs", position, len(l.batches))
	}
	if lose {
		return 0, errLost
	}
	return position + 1, nil
}

func equal(a, b []*waypointv1.OutputEvent) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !proto.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (l *log) raw() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bytes.Buffer
	for _, batch := range l.batches {
		for _, e := range batch {
			b.Write(e.GetRaw().GetData())
		}
	}
	return b.String()
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d ünïcode\n", i+1)
	}
	return b.String()
}

func TestEveryByteArrivesOnceInOrderWhateverTheServerDoes(t *testing.T) {
	want := numbered(5000)
	faults := map[string]func(int) (bool, bool){
		"all well":                 nil,
		"every third reply lost":   func(n int) (bool, bool) { return n%3 == 0, false },
		"every third call refused": func(n int) (bool, bool) { return false, n%3 == 0 },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			l := &log{fault: fault}
			w := New(t.Context(), Options{Append: l.append})
			for rest := want; rest != ""; {
				n := min(len(rest), 1013) // cuts lines and characters
				_, _ = w.Stdout().Write([]byte(rest[:n]))
				rest = rest[n:]
			}
			if err := w.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := l.raw(); got != want {
				t.Fatalf("got %d bytes, want %d", len(got), len(want))
			}
			if w.Next() != int64(len(l.batches)) {
				t.Fatalf("next is %d after %d batches", w.Next(), len(l.batches))
			}
		})
	}
}

func TestEventsAreCutBetweenLinesAndNeverInsideACharacter(t *testing.T) {
	l := &log{}
	w := New(t.Context(), Options{Append: l.append})
	long := strings.Repeat("ä", 50_000) // one line, longer than a batch
	_, _ = w.Stdout().Write([]byte("first\nsecond"))
	_, _ = w.Stderr().Write([]byte("bad\n"))
	_, _ = w.Stdout().Write([]byte(" half\n" + long))
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var events []*waypointv1.OutputEvent
	for _, b := range l.batches {
		events = append(events, b...)
	}
	var texts []string
	for _, e := range events {
		if !utf8.Valid(e.GetRaw().GetData()) {
			t.Fatalf("an event ends inside a character: …%q", e.GetRaw().GetData()[max(0, len(e.GetRaw().GetData())-4):])
		}
		texts = append(texts, string(e.GetRaw().GetData()))
	}
	if texts[0] != "first\n" || texts[1] != "bad\n" || !strings.HasPrefix(texts[2], "second half\n") {
		t.Fatalf("got %q, %q, %.20q", texts[0], texts[1], texts[2])
	}
}

func TestAPromptWithoutALineEndIsShownSoon(t *testing.T) {
	l := &log{}
	w := New(t.Context(), Options{Append: l.append})
	_, _ = w.Stdout().Write([]byte("downloading 10%\r"))
	for end := time.Now().Add(2 * time.Minute); l.raw() == "" && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if got := l.raw(); got != "downloading 10%\r" {
		t.Fatalf("got %q", got)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPercentPrintsAsItself(t *testing.T) {
	l := &log{}
	w := New(t.Context(), Options{Append: l.append, Prefix: "1-"})
	w.Line(plugin.Info, "100% of %s")
	w.Line(plugin.Info, "%s%%", "50")
	s := w.Step("80%")
	_, _ = s.Output().Write([]byte("90%d"))
	s.Done("")
	s.Fail("too late")
	w.Table([]string{"%"}, [][]string{{"%d"}})
	w.NamedValues([2]string{"%", "\xff%"})
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range l.batches {
		for _, e := range b {
			switch {
			case e.GetLine() != nil:
				got = append(got, e.GetLine().GetText())
			case e.GetStep() != nil:
				got = append(got, fmt.Sprintf("%s:%s%s:%d", e.GetStep().GetId(), e.GetStep().GetText(), e.GetStep().GetOutput(), e.GetStep().GetState()))
			case e.GetTable() != nil:
				got = append(got, e.GetTable().GetHeaders()[0]+e.GetTable().GetRows()[0].GetCells()[0])
			case e.GetNamedValues() != nil:
				got = append(got, e.GetNamedValues().GetValues()[0].GetValue())
			}
		}
	}
	want := []string{"100% of %s", "50%", "1-1:80%:1", "1-1:90%d:1", "1-1::2", "%%d", "\uFFFD%"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func TestWritersBlockWhileTheServerIsAwayAndNothingIsLost(t *testing.T) {
	l := &log{hold: make(chan struct{})}
	w := New(t.Context(), Options{Append: l.append})
	want := numbered(120_000)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = w.Stdout().Write([]byte(want))
	}()
	select {
	case <-written:
		t.Fatal("the buffer has no bound")
	case <-time.After(200 * time.Millisecond):
	}
	close(l.hold)
	<-written
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.raw() != want {
		t.Fatal("output differs")
	}
}

func TestAPermanentRefusalFailsTheWriterAndFreesItsWriters(t *testing.T) {
	stale := errors.New("stale lease")
	told := make(chan error, 1)
	w := New(t.Context(), Options{
		Append:    func(context.Context, int64, []*waypointv1.OutputEvent) (int64, error) { return 0, stale },
		Permanent: func(err error) bool { return errors.Is(err, stale) },
		Failed:    func(err error) { told <- err },
	})
	for range 200 {
		_, _ = w.Stdout().Write(make([]byte, 32<<10))
	}
	if err := <-told; !errors.Is(err, stale) {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); !errors.Is(err, stale) {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); !errors.Is(err, stale) {
		t.Fatal(err)
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	l := &log{fault: func(n int) (bool, bool) { return n%4 == 0, n%5 == 0 }}
	w := New(t.Context(), Options{Append: l.append})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 300 {
				fmt.Fprintf(w.Stdout(), "w%d %d\n", i, n)
			}
		})
	}
	all.Wait()
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for line := range strings.Lines(l.raw()) {
		var who string
		var n int
		if _, err := fmt.Sscanf(line, "%s %d\n", &who, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if next[who] != n {
			t.Fatalf("%s printed %d where %d was next", who, n, next[who])
		}
		next[who]++
	}
}
