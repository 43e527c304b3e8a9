package shelltest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/shell"
)

// Env returns surroundings without a terminal, server or home directory.
func Env(t *testing.T) *shell.Env {
	t.Helper()
	return &shell.Env{
		In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{},
		Lookup:  func(string) (string, bool) { return "", false },
		Environ: func() []string { return nil },
		Now:     func() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) },
		Dir:     t.TempDir(), Quit: func(int) {},
	}
}
