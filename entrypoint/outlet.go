package entrypoint

import (
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

// busyPause is the pause before another try when our output takes nothing now. It is non-blocking only if another
// process that has it, too, made it so.
const busyPause = 5 * time.Millisecond

// outlet takes one of the app's outputs and never fails: the app must not get an error, or a SIGPIPE, for what is wrong
// with our own output (a full disk, a reader that is gone). Lines go to the server whatever becomes of it.
type outlet struct {
	mu sync.Mutex
	// lines cuts the output into lines for the server; nil: there is no server.
	lines io.Writer
	to    io.Writer
	// failed is called when writing begins to fail, and not again before it has succeeded.
	failed  func(error)
	failing bool
}

// Write returns when our output has accepted p, or failed.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lines != nil {
		_, _ = o.lines.Write(p) // it never fails
	}
	err := o.pass(p)
	if err != nil && !o.failing && o.failed != nil {
		o.failed(err)
	}
	o.failing = err != nil
	return len(p), nil
}

func (o *outlet) pass(p []byte) error {
	for len(p) > 0 {
		n, err := o.to.Write(p)
		p = p[n:]
		switch {
		case errors.Is(err, syscall.EAGAIN):
			time.Sleep(busyPause)
		case err != nil:
			return err
		case n == 0:
			return io.ErrShortWrite
		}
	}
	return nil
}
