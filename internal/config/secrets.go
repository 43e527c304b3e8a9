package config

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

const hidden = "(sensitive)"

// secrets is what must not be shown: texts, and ranges of source that hold them. It is safe for concurrent use.
type secrets struct {
	mu     sync.Mutex
	texts  []string // longest first
	ranges []hcl.Range
	// whole are the texts as they were added, for told, which is called with each.
	whole map[string]bool
	told  func(text string)
}

// OnSensitive calls told with each sensitive text that is known of the file, and with those that become known when it is
// evaluated: values of sensitive variables, and what functions made of them.
func (f *File) OnSensitive(told func(text string)) {
	s := f.secrets
	s.mu.Lock()
	known := slices.Sorted(maps.Keys(s.whole))
	s.told = told
	s.mu.Unlock()
	for _, text := range known {
		told(text)
	}
}

// tell passes a text on that was added.
func (s *secrets) tell(text string) {
	s.mu.Lock()
	before := s.whole[text]
	if s.whole == nil {
		s.whole = map[string]bool{}
	}
	s.whole[text] = true
	told := s.told
	s.mu.Unlock()
	if told != nil && !before {
		told(text)
	}
}

// addRange hides a piece of source.
func (s *secrets) addRange(r hcl.Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ranges = append(s.ranges, r)
}

// addText hides a text, and its lines if it has several.
func (s *secrets) addText(text string) {
	defer s.tell(text)
	pieces := append(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), text)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range pieces {
		t = strings.TrimSpace(t)
		if t == "" || t == "true" || t == "false" || slices.Contains(s.texts, t) {
			continue
		}
		s.texts = append(s.texts, t)
	}
	slices.SortFunc(s.texts, func(a, b string) int { return len(b) - len(a) })
}

// addValue hides all texts and numbers in a value; with all unset, only those in its sensitive parts.
func (s *secrets) addValue(v cty.Value, all bool) {
	if v == cty.NilVal || (!all && !v.ContainsMarked()) {
		return
	}
	_ = cty.Walk(v, func(_ cty.Path, part cty.Value) (bool, error) {
		sensitive := all || part.HasMark(functions.Sensitive())
		bare, _ := part.Unmark()
		if bare.IsNull() || !bare.IsKnown() {
			return true, nil
		}
		if !bare.Type().IsPrimitiveType() {
			if sensitive && !all {
				s.addValue(bare, true)
			}
			return true, nil
		}
		if sensitive {
			if text, err := convert.Convert(bare, cty.String); err == nil {
				s.addText(text.AsString())
			}
		}
		return true, nil
	})
}

// hide removes the secret texts from a message.
func (s *secrets) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.texts {
		text = replaceSecret(text, secret)
	}
	return text
}

// shortSecret is the length below which a secret is hidden only where it stands as a word of its own: hiding every
// "a" would leave nothing to read.
const shortSecret = 4

func replaceSecret(text, secret string) string {
	if !strings.Contains(text, secret) {
		return text
	}
	if len(secret) >= shortSecret {
		return strings.ReplaceAll(text, secret, hidden)
	}
	var out strings.Builder
	for {
		i := strings.Index(text, secret)
		if i < 0 {
			out.WriteString(text)
			return out.String()
		}
		end := i + len(secret)
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if isWordRune(before) || isWordRune(after) {
			out.WriteString(text[:end])
		} else {
			out.WriteString(text[:i] + hidden)
		}
		text = text[end:]
	}
}

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_')
}

// scrub removes the secret texts from diagnostics.
func (s *secrets) scrub(diags hcl.Diagnostics) {
	s.mu.Lock()
	none := len(s.texts) == 0
	s.mu.Unlock()
	if none {
		return
	}
	for _, d := range diags {
		d.Summary, d.Detail = s.hide(d.Summary), s.hide(d.Detail)
	}
}

// hideSource removes secret ranges and texts from a piece of source that begins at byte start of filename. Positions
// of what is left may move; covers says whether a secret was cut out.
func (s *secrets) hideSource(filename string, start int, text string) string {
	s.mu.Lock()
	ranges := slices.Clone(s.ranges)
	s.mu.Unlock()
	b := []byte(text)
	for _, r := range ranges {
		if r.Filename != filename {
			continue
		}
		from, to := max(r.Start.Byte-start, 0), min(r.End.Byte-start, len(b))
		for i := from; i < to; i++ {
			if b[i] != '\n' && b[i] != '\r' {
				b[i] = '*'
			}
		}
	}
	return s.hideKeepingWidth(string(b))
}

// hideKeepingWidth is hide with as many asterisks as the secret has bytes, so that carets still point right.
func (s *secrets) hideKeepingWidth(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.texts {
		if len(secret) >= shortSecret {
			text = strings.ReplaceAll(text, secret, strings.Repeat("*", len(secret)))
		}
	}
	return text
}
