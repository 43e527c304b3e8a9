package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Widths at which base64 is commonly broken into lines: by coreutils and MIME, and by OpenSSL and PEM.
const (
	mimeWidth = 76
	pemWidth  = 64
	// minBase64 is the length of the shortest piece of base64 that is searched.
	minBase64 = 6
)

// forms are the texts in which a value is searched: the value and each of its lines, as they are and as they look in a
// URL, in JSON, in Go's and HCL's quotes, in a shell's, in YAML, in HTML, and in base64. None has a line break.
func forms(value string) []string {
	whole := strings.TrimSpace(value)
	if isCommon(whole) {
		return nil
	}
	var all []string
	for _, line := range strings.FieldsFunc(whole, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); len(line) >= MinLength {
			all = append(all, quoted(line)...)
		}
	}
	if len(whole) >= MinLength {
		all = append(all, encoded(value)...)
		if whole != value {
			all = append(all, encoded(whole)...)
		}
		all = append(all, encoded(whole+"\n")...) // echo "$VALUE" | base64
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// isCommon reports whether a text is a word of every language that tells nothing.
func isCommon(text string) bool {
	switch strings.ToLower(text) {
	case "true", "false", "null", "none", "undefined":
		return true
	}
	return len(text) < MinLength
}

// quoted are a line and its escaped forms.
func quoted(line string) []string {
	all := []string{line}
	if isPlain(line) {
		return all // no quoting changes it
	}
	query, path, user := url.QueryEscape(line), url.PathEscape(line), url.UserPassword("", line).String()
	for _, escaped := range []string{query, path, strings.TrimPrefix(user, ":"), strings.ReplaceAll(query, "+", "%20")} {
		all = append(all, escaped, lowerHex(escaped))
	}
	return append(all,
		inner(strconv.Quote(line)), inner(strconv.QuoteToASCII(line)), inner(jsonText(line, false)), inner(jsonText(line, true)),
		html.EscapeString(line), strings.ReplaceAll(line, "${", "$${"), // HCL
		strings.ReplaceAll(line, "'", "''"), strings.ReplaceAll(line, "'", `'\''`), strings.ReplaceAll(line, "'", `'"'"'`),
		backslashed(line, "\"\\$`"), backslashed(line, " \t\"\\$`'!#&()*;<>?[]^{|}~,=:@%+"), backslashed(line, " \t\"\\$`'!&()*;<>?[]^{|},"),
	)
}

// isPlain reports whether a line consists of characters that nobody escapes.
func isPlain(line string) bool {
	for i := range len(line) {
		c := line[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func inner(text string) string { return text[1 : len(text)-1] }

func jsonText(text string, escapeHTML bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	_ = e.Encode(text) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// backslashed puts a backslash before each of the special characters, as shells do.
func backslashed(text, special string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// lowerHex writes the digits of a URL's escapes in lower case.
func lowerHex(text string) string {
	b := []byte(text)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// encoded are the pieces of base64 that a value leaves in any text that contains it: as a whole, in the middle of
// something longer ("user:password"), and broken into lines.
func encoded(value string) []string {
	var all []string
	for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		text := alphabet.EncodeToString([]byte(value))
		all = append(all, text)
		for _, width := range []int{mimeWidth, pemWidth} {
			if len(text) > width {
				for piece := range slices.Chunk([]byte(text), width) {
					all = append(all, string(piece))
				}
			}
		}
		for before := range 3 {
			// What stands before the value shares its first character, what stands after it its last.
			text := alphabet.WithPadding(base64.NoPadding).EncodeToString(append(make([]byte, before), value...))
			all = append(all, text[(8*before+5)/6:8*(before+len(value))/6])
		}
	}
	return slices.DeleteFunc(all, func(p string) bool { return len(p) < minBase64 })
}
