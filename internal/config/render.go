package config

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// maxSnippetLines bounds how much source one diagnostic shows.
const maxSnippetLines = 6

// maxSnippetWidth is where a source line is cut.
const maxSnippetWidth = 160

// sources gives a diagnostic its source text.
type sources struct {
	file  *File
	cache map[string][]byte
}

func (s *sources) get(name string) []byte {
	if s.file != nil && name == s.file.Name {
		return s.file.src
	}
	if src, ok := s.cache[name]; ok {
		return src
	}
	// A file of values, most likely.
	src, diag := readBounded(name, maxFileSize)
	if diag != nil {
		src = nil
	}
	s.cache[name] = src
	return src
}

// hideSource masks what is secret in a line of source.
func (s *sources) hideSource(name string, start int, line string) string {
	if s.file == nil {
		return maskValue(line, nil)
	}
	if name != s.file.Name {
		line = maskValue(line, s.file)
	}
	return s.file.secrets.hideSource(name, start, line)
}

// maskValue hides the value on a line of a file of values, unless the line begins with the name of a variable that is
// declared and not sensitive: when such a file is broken, what is secret in it cannot be known otherwise.
func maskValue(line string, f *File) string {
	name, _, found := strings.Cut(line, "=")
	if !found {
		name, _, found = strings.Cut(line, ":")
	}
	if found && f != nil {
		if v := f.variable(strings.Trim(name, " \t{,\"")); v != nil && !v.Sensitive {
			return line
		}
	}
	keep := 0
	if found {
		keep = len(name) + 1
	}
	return line[:keep] + strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' {
			return r
		}
		return '*'
	}, line[keep:])
}

// Render writes diagnostics for people: what is wrong, file:line:column and where in the file's structure that is, the
// source with carets, the values involved, and what to do. f may be nil; with it, sensitive source is masked.
func Render(w io.Writer, f *File, diags hcl.Diagnostics, color bool) {
	src := &sources{file: f, cache: map[string][]byte{}}
	p := painter(color)
	for i, d := range ordered(diags) {
		if i > 0 {
			fmt.Fprintln(w)
		}
		renderOne(w, src, d, p)
	}
}

// ordered sorts by place, errors without one first.
func ordered(diags hcl.Diagnostics) hcl.Diagnostics {
	out := make(hcl.Diagnostics, 0, len(diags))
	for _, d := range diags {
		if d != nil {
			out = append(out, d)
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i].Subject, out[j].Subject
		switch {
		case a == nil || b == nil:
			return a == nil && b != nil
		case a.Filename != b.Filename:
			return a.Filename < b.Filename
		default:
			return a.Start.Byte < b.Start.Byte
		}
	})
	return out
}

// painter is whether to use colour. Colour is never the only carrier of meaning.
type painter bool

func (p painter) paint(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func renderOne(w io.Writer, src *sources, d *hcl.Diagnostic, p painter) {
	word, code := "Error", "1;31"
	if d.Severity == hcl.DiagWarning {
		word, code = "Warning", "1;33"
	}
	fmt.Fprintf(w, "%s %s\n", p.paint(code, word+":"), p.paint("1", printable(d.Summary)))
	if d.Subject != nil {
		where := ""
		if place := src.place(d.Subject); place != "" {
			where = ", in " + place
		}
		fmt.Fprintf(w, "\n  on %s:%d:%d%s\n", printable(d.Subject.Filename), d.Subject.Start.Line, d.Subject.Start.Column, where)
		renderSnippet(w, src, d, p, code)
	}
	if d.Detail != "" {
		fmt.Fprintln(w)
		for _, line := range wrap(printable(d.Detail), 96) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
}

// snippetLine is one line of source, and the columns in it that the diagnostic means (1-based, end exclusive, in
// characters; 0 if none).
type snippetLine struct {
	number     int
	text       string
	start, end int
}

func (s *sources) snippet(r hcl.Range) []snippetLine {
	src := s.get(r.Filename)
	if src == nil || r.Start.Byte > len(src) {
		return nil
	}
	begin := bytes.LastIndexByte(src[:r.Start.Byte], '\n') + 1
	var lines []snippetLine
	for number, at := r.Start.Line, begin; at <= len(src) && len(lines) < maxSnippetLines; number++ {
		end := len(src)
		if i := bytes.IndexByte(src[at:], '\n'); i >= 0 {
			end = at + i
		}
		raw := string(src[at:end])
		from, to := max(r.Start.Byte-at, 0), min(r.End.Byte-at, len(raw))
		line := snippetLine{number: number, text: strings.TrimRight(s.hideSource(r.Filename, at, raw), "\r")}
		if number == r.Start.Line || to > 0 {
			line.start = utf8.RuneCountInString(raw[:min(from, len(raw))]) + 1
			line.end = line.start
			if to > from {
				line.end += utf8.RuneCountInString(raw[from:to])
			}
		}
		lines = append(lines, line)
		if end >= r.End.Byte || end == len(src) {
			break
		}
		at = end + 1
	}
	return lines
}

func renderSnippet(w io.Writer, src *sources, d *hcl.Diagnostic, p painter, code string) {
	lines := src.snippet(*d.Subject)
	for _, line := range lines {
		text, start, end := cut(printable(strings.ReplaceAll(line.text, "\t", " ")), line.start, line.end)
		fmt.Fprintf(w, "  %4d | %s\n", line.number, text)
		if line.start == 0 {
			continue
		}
		// A caret under every character that is meant; at least one.
		lead := text[:byteIndex(text, start-1)]
		if trimmed := strings.TrimLeft(text, " "); line.number != d.Subject.Start.Line {
			// Continuation lines are underlined from their first character.
			lead = text[:len(text)-len(trimmed)]
			start = utf8.RuneCountInString(lead) + 1
		}
		carets := strings.Repeat("^", max(end-start, 1))
		fmt.Fprintf(w, "       | %s%s\n", strings.Repeat(" ", utf8.RuneCountInString(lead)), p.paint(code, carets))
	}
	for _, v := range values(src, d) {
		fmt.Fprintf(w, "       | %s\n", v)
	}
}

// cut shortens a line to what fits around the marked columns.
func cut(text string, start, end int) (string, int, int) {
	runes := []rune(text)
	// What is shown may be shorter than the source: hidden values, bytes that are no characters.
	start, end = min(start, len(runes)+1), min(end, len(runes)+1)
	if len(runes) <= maxSnippetWidth {
		return text, start, end
	}
	from := 0
	if start > maxSnippetWidth-20 {
		from = start - 40
	}
	to := min(from+maxSnippetWidth, len(runes))
	out := string(runes[from:to])
	if to < len(runes) {
		out += "…"
	}
	if from > 0 {
		out = "…" + out
		start, end = start-from+1, end-from+1
	}
	return out, start, min(end, len([]rune(out))+1)
}

func byteIndex(text string, runes int) int {
	for i := range text {
		if runes <= 0 {
			return i
		}
		runes--
	}
	return len(text)
}

// values says what the names in a failed expression stand for.
func values(src *sources, d *hcl.Diagnostic) []string {
	if d.Expression == nil || d.EvalContext == nil {
		return nil
	}
	seen := map[string]bool{}
	var out []string
	for _, t := range d.Expression.Variables() {
		name := traversalText(t)
		if seen[name] || len(out) >= 8 {
			continue
		}
		seen[name] = true
		v, diags := t.TraverseAbs(d.EvalContext)
		if diags.HasErrors() {
			continue
		}
		text := describe(v)
		if src.file != nil && !functions.IsSensitive(v) {
			text = src.file.secrets.hide(text)
		}
		out = append(out, name+" "+text)
	}
	sort.Strings(out)
	return out
}

func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	b.WriteString(t.RootName())
	for _, step := range t[1:] {
		switch s := step.(type) {
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			key, err := asString(s.Key)
			if err != nil {
				key = "…"
			}
			fmt.Fprintf(&b, "[%q]", key)
		}
	}
	return b.String()
}

func describe(v cty.Value) string {
	const longest = 60
	switch {
	case functions.IsSensitive(v):
		return "is " + hidden
	case !v.IsKnown():
		return "is not known yet"
	case v.IsNull():
		return "is null"
	}
	switch t := v.Type(); {
	case t == cty.String:
		text := v.AsString()
		if utf8.RuneCountInString(text) > longest {
			text = string([]rune(text)[:longest]) + "…"
		}
		return fmt.Sprintf("is %q", text)
	case t.IsPrimitiveType():
		return "is " + valueText(v)
	case t.IsObjectType():
		names := sortedKeys(t.AttributeTypes())
		if len(names) == 0 {
			return "is an empty object"
		}
		if len(names) > 12 {
			names = append(names[:12], "…")
		}
		return "is an object with " + words(names)
	case t.IsMapType() || t.IsListType() || t.IsSetType() || t.IsTupleType():
		return fmt.Sprintf("is a %s with %d elements", strings.SplitN(t.FriendlyName(), " ", 2)[0], v.LengthInt())
	}
	return "is " + v.Type().FriendlyName()
}

// place names the blocks around a range: `app "web" → deploy → use "docker"`.
func (s *sources) place(r *hcl.Range) string {
	if s.file == nil || s.file.native == nil || r.Filename != s.file.Name {
		return ""
	}
	var parts []string
	body := s.file.native
	for range 16 {
		var inside *hclsyntax.Block
		for _, b := range body.Blocks {
			if b.TypeRange.Start.Byte <= r.Start.Byte && r.Start.Byte < b.CloseBraceRange.End.Byte &&
				b.OpenBraceRange.End.Byte <= r.Start.Byte {
				inside = b
			}
		}
		if inside == nil {
			break
		}
		name := inside.Type
		for _, l := range inside.Labels {
			name += fmt.Sprintf(" %q", l)
		}
		parts = append(parts, name)
		body = inside.Body
	}
	return printable(strings.Join(parts, " → "))
}

// printable keeps control characters, and marks that change the direction of text, away from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029') {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
}

func wrap(text string, width int) []string {
	var lines []string
	for _, para := range strings.Split(text, "\n") {
		line := ""
		for _, word := range strings.Fields(para) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
				lines = append(lines, line)
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}
