package pluginpipe

import (
	"io"
	"sync"
)

// inbox holds what the user typed until the command reads it. It takes without waiting, so that a command that does not
// read its input delays nothing else on the stream.
type inbox struct {
	mu    sync.Mutex
	more  *sync.Cond
	data  []byte
	ended error
}

func newInbox() *inbox {
	b := &inbox{}
	b.more = sync.NewCond(&b.mu)
	return b
}

func (b *inbox) put(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data = append(b.data, p...)
	b.more.Broadcast()
}

// end ends the input with err after what is there; the first end counts.
func (b *inbox) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended == nil {
		b.ended = err
	}
	b.more.Broadcast()
}

func (b *inbox) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.data) == 0 && b.ended == nil {
		b.more.Wait()
	}
	if len(b.data) == 0 {
		return 0, b.ended
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

var _ io.Reader = (*inbox)(nil)
