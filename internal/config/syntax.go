package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// explainSyntax makes the parser's own messages say what to write, where the text around them shows what was meant. It
// returns the place of a closing brace that is one too many; empty if there is none.
func explainSyntax(src []byte, filename string, diags hcl.Diagnostics) (surplus hcl.Range) {
	for _, d := range diags {
		if d.Subject == nil || d.Subject.Start.Byte > len(src) {
			continue
		}
		line, at := lineAt(src, d.Subject.Start.Byte)
		rest := src[d.Subject.Start.Byte:]
		switch {
		case conflictMark(line):
			d.Summary = "Merge conflict"
			d.Detail = "This line is the mark of a conflict that git left. Keep one of the two versions between <<<<<<< and >>>>>>>, and remove the marks."
		case bytes.HasPrefix(rest, []byte("}")) && strings.HasPrefix(d.Summary, "Argument or block definition required"):
			surplus = explainBrace(src, filename, d)
		case strings.HasPrefix(d.Summary, "Invalid block definition") && strings.HasPrefix(strings.TrimSpace(line), "use "):
			d.Summary = "The name of a plugin must be text"
			d.Detail = `Write use "PLUGIN" { … } with the plugin's name in quotes: it cannot be a value. ` +
				`To choose a plugin by workspace, write workspace "NAME" { use "PLUGIN" { … } } beside it.`
		case d.Summary == "Missing item separator" && at < len(line) && (line[at] == '=' || line[at] == ':'):
			d.Summary = "A list has no names"
			d.Detail = "In [ … ] stand values alone. Names with values stand in braces: { NAME = VALUE, … }."
		case d.Summary == "Argument definition required" || d.Summary == "Invalid single-argument block definition":
			d.Detail = "On one line a block can hold one attribute and nothing else. Write the opening brace at the end of the line, " +
				"each attribute and each block inside on a line of its own, and the closing brace on the last."
		}
	}
	return surplus
}

// lineAt is the line of a byte, and the byte's place in it.
func lineAt(src []byte, at int) (line string, column int) {
	from := bytes.LastIndexByte(src[:at], '\n') + 1
	to := len(src)
	if n := bytes.IndexByte(src[at:], '\n'); n >= 0 {
		to = at + n
	}
	return string(src[from:to]), at - from
}

func conflictMark(line string) bool {
	for _, mark := range []string{"<<<<<<< ", ">>>>>>> ", "||||||| "} {
		if strings.HasPrefix(line, mark) {
			return true
		}
	}
	return strings.TrimRight(line, "\r") == "======="
}

// explainBrace is about a closing brace that nothing opened: the one that is too many stands further up, where a brace is
// indented otherwise than the line that it closes. Without such a brace it is this one.
func explainBrace(src []byte, filename string, d *hcl.Diagnostic) hcl.Range {
	d.Summary, d.Detail = "A closing brace too many", "Nothing is open here that this } could close."
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos)
	var open []hclsyntax.Token
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace:
			open = append(open, t)
		case hclsyntax.TokenCBrace:
			if len(open) == 0 {
				return *d.Subject
			}
			opener := open[len(open)-1]
			open = open[:len(open)-1]
			line, at := lineAt(src, t.Range.Start.Byte)
			head, _ := lineAt(src, opener.Range.Start.Byte)
			if strings.TrimSpace(line[:at]) == "" && opener.Range.Start.Line != t.Range.Start.Line && indent(line) != indent(head) {
				d.Subject = t.Range.Ptr()
				d.Detail = fmt.Sprintf("The file has one } more than {. This one closes %s, which was opened at line %d: it is probably the one too many.",
					strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(head), "{")), opener.Range.Start.Line)
				return t.Range
			}
		default:
		}
	}
	return *d.Subject
}

// indent is the white space before a line's text.
func indent(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }
