package config

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"
)

// The JSON form of diagnostics.
type (
	jsonReport struct {
		Valid       bool             `json:"valid"`
		Errors      int              `json:"error_count"`
		Warnings    int              `json:"warning_count"`
		Diagnostics []jsonDiagnostic `json:"diagnostics"`
	}
	jsonDiagnostic struct {
		Severity string       `json:"severity"`
		Summary  string       `json:"summary"`
		Detail   string       `json:"detail,omitempty"`
		Place    string       `json:"place,omitempty"`
		Range    *jsonRange   `json:"range,omitempty"`
		Snippet  *jsonSnippet `json:"snippet,omitempty"`
	}
	jsonRange struct {
		Filename string  `json:"filename"`
		Start    jsonPos `json:"start"`
		End      jsonPos `json:"end"`
	}
	jsonPos struct {
		Line   int `json:"line"`
		Column int `json:"column"`
		Byte   int `json:"byte"`
	}
	jsonSnippet struct {
		StartLine int      `json:"start_line"`
		Lines     []string `json:"lines"`
		Values    []string `json:"values,omitempty"`
	}
)

// RenderJSON writes diagnostics as one JSON object: valid, error_count, warning_count, and diagnostics with severity,
// summary, detail, place, range and snippet.
func RenderJSON(w io.Writer, f *File, diags hcl.Diagnostics) error {
	src := &sources{file: f, cache: map[string][]byte{}}
	report := jsonReport{Valid: !diags.HasErrors(), Diagnostics: []jsonDiagnostic{}}
	for _, d := range ordered(diags) {
		out := jsonDiagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			out.Severity = "warning"
			report.Warnings++
		} else {
			report.Errors++
		}
		if d.Subject != nil {
			out.Place = src.place(d.Subject)
			out.Range = &jsonRange{Filename: d.Subject.Filename, Start: jsonPos(d.Subject.Start), End: jsonPos(d.Subject.End)}
			if lines := src.snippet(*d.Subject); len(lines) > 0 {
				out.Snippet = &jsonSnippet{StartLine: lines[0].number, Values: values(src, d)}
				for _, l := range lines {
					out.Snippet.Lines = append(out.Snippet.Lines, l.text)
				}
			}
		}
		report.Diagnostics = append(report.Diagnostics, out)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(report); err != nil {
		return fmt.Errorf("writing diagnostics: %w", err)
	}
	return nil
}
