package redact

// Stream removes the sensitive values from a text that comes in pieces, wherever they are cut. It is used by one goroutine
// at a time.
type Stream struct {
	secrets *Secrets
	// tail is the end of what came that may be the beginning of a value. shown of its bytes have been returned already, as
	// they are or hidden; open: the last of them was hidden.
	tail  []byte
	shown int
	open  bool
}

// Stream starts a stream.
func (s *Secrets) Stream() *Stream { return &Stream{secrets: s} }

// Write takes a piece and returns what may be shown now. The end of it that could be the beginning of a sensitive value is
// held back until it is known what follows.
func (t *Stream) Write(p []byte) []byte {
	if t.secrets == nil {
		return p
	}
	t.secrets.mu.RLock()
	defer t.secrets.mu.RUnlock()
	in := &t.secrets.text
	if len(in.heads) == 0 && len(t.tail) == 0 {
		return p
	}
	text := string(t.tail) + string(p)
	pending, found := in.pending(text), in.find(text)
	if pending == len(text) && len(found) == 0 && len(t.tail) == 0 {
		return p // as nearly all pieces are
	}
	out := t.emit(make([]byte, 0, len(text)), text, found, max(pending, t.shown))
	// The tail begins where a value may begin, even if a part of that has been shown already.
	t.tail = append(t.tail[:0], text[pending:]...)
	t.shown = max(0, t.shown-pending)
	return out
}

// emit appends the text up to cut, from where the last one ended, without what is found.
func (t *Stream) emit(out []byte, text string, found []span, cut int) []byte {
	at := t.shown
	for _, f := range found {
		if f.to <= at {
			continue
		}
		if f.from >= cut {
			break
		}
		if f.from > at {
			out = append(out, text[at:f.from]...)
			t.open = false
		}
		if !t.open || f.from >= at {
			out = append(out, Hidden...)
		}
		at, t.open = f.to, true
	}
	if at < cut {
		out = append(out, text[at:cut]...)
		at, t.open = cut, false
	}
	t.shown = at
	return out
}

// Held returns how many bytes are held back.
func (t *Stream) Held() int { return len(t.tail) - t.shown }

// Release returns what is held back. If the rest of a sensitive value comes later, it is hidden all the same.
func (t *Stream) Release() []byte {
	if t.Held() <= 0 {
		return nil
	}
	t.secrets.mu.RLock()
	defer t.secrets.mu.RUnlock()
	text := string(t.tail)
	return t.emit(nil, text, t.secrets.text.find(text), len(text))
}
