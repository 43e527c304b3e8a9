package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// killBound is how long killed processes may take to be gone; the kernel may be writing for one.
	killBound = 10 * time.Second
	// messageMost bounds a line: names and paths.
	messageMost = 1 << 20
)

// Main is the guard's process: it reads messages until in ends, and does what they ask for unless the runner said that it
// ends in order. The process has nobody to talk to, and its exit code says nothing.
func Main(ctx context.Context, in io.Reader) {
	ignoreSignals() // a Ctrl-C or a stopping service is the runner's to answer, which then says what it does
	s := newState()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), messageMost)
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) == nil {
			s.apply(m)
		}
	}
	if s.bye {
		return
	}
	s.cleanUp(ctx)
}

// cleanUp kills, removes and reports, in this order: an attempt may be reported as ended only once nothing of it is left.
func (s *state) cleanUp(ctx context.Context) {
	gone := killAll(s.Commands, killBound)
	for dir := range s.Dirs {
		removeAll(dir)
	}
	if gone && len(s.Work) > 0 {
		s.report(ctx)
	}
}

// removeAll removes a job's directory, also what a build made read-only (Go's module cache does).
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}
