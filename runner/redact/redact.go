// Package redact is the one place that knows the sensitive values of a job and removes them from what leaves the runner:
// the output (text and streams), errors, records, and the log.
//
// The values come from whoever reads them first: the claim, the evaluation of waypoint.hcl, the configuration of a plugin.
// Values may be added at any time; what is hidden from then on is hidden in every form that programs commonly print (see
// forms). The package knows neither jobs nor plugins, and keeps nothing outside its memory.
//
// What it cannot do: find a value that a program has transformed in a way of its own (reversed, encrypted, split by
// spaces), or tell a value that is a common word from that word.
package redact

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Hidden is what stands in the place of a sensitive value.
const Hidden = "(sensitive)"

const (
	// MinLength is the length of the shortest value, or line of a value, that is hidden. Three characters and less occur
	// everywhere: hiding them would leave nothing to read, and they are guessed at once anyway.
	MinLength = 4
	// minDataLength is the same for data that programs read back, such as the state of a plugin. A short value could be a
	// part of a path or of an address there, and taking it out would break what needs them.
	minDataLength = 8
)

// Secrets are the sensitive values of one job. It is safe for concurrent use. A nil *Secrets hides nothing.
type Secrets struct {
	mu    sync.RWMutex
	known map[string]kind
	// text is searched in what people read, data in what programs read back.
	text, data index
	public     []string
	onAdd      func(values []string, textOnly bool)
}

// kind says where a value is hidden.
type kind int

const (
	inText kind = iota + 1
	inTextAndData
)

// New returns a set without values.
func New() *Secrets { return &Secrets{known: map[string]kind{}} }

// Add adds sensitive values, which are hidden everywhere.
func (s *Secrets) Add(values ...string) { s.add(inTextAndData, values) }

// AddText adds values that are hidden in what people read alone: configuration of the runner, which holds secrets and names
// such as a region, which are a part of the addresses that plugins keep.
func (s *Secrets) AddText(values ...string) { s.add(inText, values) }

// Values lists the values that were added, sorted. The list is sensitive itself.
func (s *Secrets) Values() []string {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.known))
}

// Public names texts that stand in records anyway: names of the project, directories. A value that is a part of one is not
// taken out of data. It is called before Add.
func (s *Secrets) Public(texts ...string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.public = append(s.public, texts...)
}

func (s *Secrets) add(k kind, values []string) {
	if s == nil {
		return
	}
	if added, onAdd := s.learn(k, values); onAdd != nil && len(added) > 0 {
		onAdd(added, k == inText)
	}
}

// learn returns which of the values were not known.
func (s *Secrets) learn(k kind, values []string) (added []string, onAdd func([]string, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range values {
		if s.known[value] >= k {
			continue
		}
		s.known[value] = k
		added = append(added, value)
		patterns := forms(value)
		s.text.add(patterns)
		if k == inTextAndData && !s.isPublic(value) {
			s.data.add(slices.DeleteFunc(patterns, func(p string) bool { return len(p) < minDataLength }))
		}
	}
	return added, s.onAdd
}

func (s *Secrets) isPublic(value string) bool {
	value = strings.TrimSpace(value)
	return slices.ContainsFunc(s.public, func(text string) bool { return strings.Contains(text, value) })
}

// Hide returns a text for people without the sensitive values.
func (s *Secrets) Hide(text string) string {
	if s == nil {
		return text
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return hide(&s.text, text)
}

// HideData returns a text that programs read back without the sensitive values: only those that are too long to be a part
// of it by chance.
func (s *Secrets) HideData(text string) string {
	if s == nil {
		return text
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return hide(&s.data, text)
}

// In reports whether one of the texts contains a sensitive value.
func (s *Secrets) In(texts ...string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return s.Hide(t) != t })
}

func hide(in *index, text string) string {
	found := in.find(text)
	if len(found) == 0 {
		return text
	}
	var out strings.Builder
	at := 0
	for _, f := range found {
		out.WriteString(text[at:f.from])
		out.WriteString(Hidden)
		at = f.to
	}
	out.WriteString(text[at:])
	return out.String()
}

// index finds patterns of at least MinLength bytes: by their first two bytes in a bitmap, which a text that has none
// passes at about a byte a nanosecond, then by their first four in a map.
type index struct {
	pairs [1 << 16 / 64]uint64
	// heads has the patterns by their first MinLength bytes, the longest first.
	heads map[uint32][]string
	// starts are the beginnings of patterns that are shorter than MinLength, for pending.
	starts  map[string]bool
	longest int
}

func (in *index) add(patterns []string) {
	for _, p := range patterns {
		if len(p) < MinLength {
			continue
		}
		if in.heads == nil {
			in.heads, in.starts = map[uint32][]string{}, map[string]bool{}
		}
		h := head(p)
		if slices.Contains(in.heads[h], p) {
			continue
		}
		pair := uint(p[0])<<8 | uint(p[1])
		in.pairs[pair/64] |= 1 << (pair % 64)
		list := append(in.heads[h], p)
		slices.SortFunc(list, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		in.heads[h] = list
		for n := 1; n < MinLength; n++ {
			in.starts[p[:n]] = true
		}
		in.longest = max(in.longest, len(p))
	}
}

func head(text string) uint32 { return binary.LittleEndian.Uint32([]byte(text[:MinLength])) }

// begins reports whether a pattern has the first two bytes of a text, which has as many.
func (in *index) begins(text string) bool {
	pair := uint(text[0])<<8 | uint(text[1])
	return in.pairs[pair/64]&(1<<(pair%64)) != 0
}

// span is a part of a text, [from, to).
type span struct{ from, to int }

// find returns where patterns stand in a text, in order. Those that overlap are one span: of overlapping values nothing
// is left over.
func (in *index) find(text string) []span {
	if len(in.heads) == 0 {
		return nil
	}
	var found []span
	for i := 0; i+MinLength <= len(text); i++ {
		if !in.begins(text[i:]) {
			continue
		}
		n := in.longestAt(text[i:])
		if n == 0 {
			continue
		}
		if last := len(found) - 1; last >= 0 && i < found[last].to {
			found[last].to = max(found[last].to, i+n)
			continue
		}
		found = append(found, span{i, i + n})
	}
	return found
}

// longestAt is the length of the longest pattern that the text begins with; 0 if there is none.
func (in *index) longestAt(text string) int {
	for _, p := range in.heads[head(text)] {
		if strings.HasPrefix(text, p) {
			return len(p)
		}
	}
	return 0
}

// pending returns where the longest end of a text begins that is the beginning of a pattern, but not all of it; the
// text's length if there is none. No pattern has a line break.
func (in *index) pending(text string) int {
	if len(in.heads) == 0 {
		return len(text)
	}
	from := max(0, len(text)-in.longest+1, strings.LastIndexByte(text, '\n')+1)
	for i := from; i < len(text); i++ {
		rest := text[i:]
		if len(rest) > 1 && !in.begins(rest) {
			continue
		}
		if len(rest) < MinLength {
			if in.starts[rest] {
				return i
			}
			continue
		}
		for _, p := range in.heads[head(rest)] {
			if len(p) > len(rest) && strings.HasPrefix(p, rest) {
				return i
			}
		}
	}
	return len(text)
}

// OnAdd has f called with values that are added from now on, before Add returns, so that another process hides them before
// it gets any output that holds them. textOnly: they are hidden in what people read alone. It is called before Add.
func (s *Secrets) OnAdd(f func(values []string, textOnly bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onAdd = f
}
