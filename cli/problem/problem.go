// Package problem has the errors that the CLI finds by itself: what is wrong, and what to do about it. It prints
// nothing.
package problem

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

// Problem is a failure that the CLI itself finds, or that a job ended with: a fault that no server answered.
type Problem struct {
	Reason  fault.Reason
	Message string
	// hint says what to do next; may be empty, may have several lines.
	Hint string
}

// New makes a problem with a stable reason.
func New(reason fault.Reason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns the problem with what to do next.
func (t *Problem) WithHint(format string, args ...any) *Problem {
	c := *t
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

func (t *Problem) Error() string { return t.Message }

// ErrSilent ends a command with exit code 1 after it has printed everything itself.
var ErrSilent = errors.New("the command failed")

// Rendered is an error that renders itself over several lines, such as diagnostics with their source.
type Rendered interface {
	error
	Render(w io.Writer, color bool)
}

// Sentence capitalizes the first letter, unless the first word is a name or code.
func Sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	word, _, _ := strings.Cut(s, " ")
	if strings.ContainsAny(word, `_-./":=`) || !unicode.IsLower(first) {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

// IsReason reports whether err is a fault of that reason, made here or by the server.
func IsReason(err error, reason fault.Reason) bool {
	var own *Problem
	if errors.As(err, &own) {
		return own.Reason == reason
	}
	return fault.Is(err, reason)
}

// ExitCode ends a command with a code of its own, after it has printed everything itself.
type ExitCode int

func (c ExitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// hclError shows diagnostics with their source.
type hclError struct {
	file  *config.File
	diags hcl.Diagnostics
}

func (e *hclError) Error() string { return e.diags.Error() }

func (e *hclError) Render(w io.Writer, color bool) { config.Render(w, e.file, e.diags, color) }

// InFile returns the diagnostics as an error that shows itself with its source; nil if there is no error among them.
func InFile(f *config.File, d hcl.Diagnostics) error {
	if d.HasErrors() {
		return &hclError{file: f, diags: d}
	}
	return nil
}

// OfSubject is an error that concerns one of several subjects, such as an app.
type OfSubject struct {
	Subject string
	Err     error
}

// Of says whom an error concerns.
func Of(subject string, err error) error { return &OfSubject{Subject: subject, Err: err} }

func (o *OfSubject) Error() string { return o.Subject + ": " + o.Err.Error() }

// Unwrap returns the error itself.
func (o *OfSubject) Unwrap() error { return o.Err }
