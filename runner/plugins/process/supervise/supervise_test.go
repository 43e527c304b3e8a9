package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestThePauseBetweenStartsDoublesUntilTheProcessIsSteady(t *testing.T) {
	for _, c := range []struct{ last, ran, want time.Duration }{
		{0, 0, firstDelay},
		{firstDelay, time.Second, 2 * firstDelay},
		{20 * time.Second, time.Second, lastDelay},
		{lastDelay, time.Second, lastDelay},
		{lastDelay, steady, firstDelay},
	} {
		if got := nextDelay(c.last, c.ran); got != c.want {
			t.Errorf("after a pause of %v and a run of %v: %v, want %v", c.last, c.ran, got, c.want)
		}
	}
}

func TestTheOutputIsBoundedAndItsEndCanBeRead(t *testing.T) {
	dir := t.TempDir()
	l, err := openLog(LogFile(dir), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 1000 {
		line := fmt.Sprintf("line %04d", i)
		want = append(want, line)
		if _, err := l.Write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	var size int64
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			size += info.Size()
		}
	}
	if size > 2100 {
		t.Errorf("%d bytes are kept in %v", size, files)
	}
	if got := Tail(dir, 5); !slices.Equal(got, want[995:]) {
		t.Errorf("the last lines are %q", got)
	}
	if got := Tail(dir, 100_000); len(got) < 100 || !slices.Equal(got, want[1000-len(got):]) {
		t.Errorf("all that is kept are %d lines from %q", len(got), got[0])
	}
}

func TestTheTailOfALongLineOrOfNothing(t *testing.T) {
	dir := t.TempDir()
	if got := Tail(dir, 5); got != nil {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(LogFile(dir), []byte(strings.Repeat("x", 2*maxTail)+"\nlast\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Tail(dir, 5); !slices.Equal(got, []string{"last"}) {
		t.Errorf("got %d lines", len(got))
	}
}
