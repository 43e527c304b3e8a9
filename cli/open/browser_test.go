package open

import (
	"strings"
	"testing"
)

func TestWhichProgramOpensAURL(t *testing.T) {
	for _, c := range []struct {
		goos, chosen string
		desktop      bool
		want         string
	}{
		{"darwin", "", false, "open"},
		{"windows", "", false, "rundll32 url.dll,FileProtocolHandler"},
		{"linux", "", true, "xdg-open"},
		{"linux", "firefox", true, "firefox"},
		{"linux", "w3m", false, "w3m"},
		{"linux", "", false, ""},
	} {
		got := browserCommand(c.goos, c.chosen, c.desktop, "http://x")
		want := ""
		if c.want != "" {
			want = c.want + " http://x"
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s, BROWSER=%q, desktop %t: %q, want %q", c.goos, c.chosen, c.desktop, got, want)
		}
	}
}
