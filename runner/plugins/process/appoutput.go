package process

import (
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// showAfter is how long a start may take before the app's lines are shown: one that is soon healthy shows none.
	showAfter = 2 * time.Second
	// mostShown bounds what is shown while its health is awaited. What comes then is in the log, and its end is shown after
	// a failure.
	mostShown = 64 << 10
)

// appOutput shows what an app prints while its health is awaited. A nil one shows nothing.
type appOutput struct {
	path string
	to   io.Writer
	// offset is where to read on in the file, shown how much was shown.
	offset int64
	shown  int
}

// show shows what the app has printed since, if its health has been awaited for long.
func (o *appOutput) show(since time.Duration) {
	if o != nil && since >= showAfter {
		o.copy()
	}
}

// finish shows what is left after a failure and reports whether all that the app printed has been shown.
func (o *appOutput) finish() bool {
	if o.offset == 0 {
		return false
	}
	o.copy()
	return o.shown < mostShown
}

// copy shows what is new. What cannot be read is left out: the failure itself matters more.
func (o *appOutput) copy() {
	if o.shown >= mostShown {
		return
	}
	f, err := os.Open(o.path)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() < o.offset {
		o.offset = 0 // the log has begun a new file
	}
	n, _ := io.Copy(o.to, io.NewSectionReader(f, o.offset, int64(mostShown-o.shown)))
	o.offset += n
	if o.shown += int(n); o.shown >= mostShown {
		_, _ = fmt.Fprintln(o.to, "\n… (more is in the app's log)")
	}
}
