package plugin

import (
	"slices"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/redact"
)

func TestAnAppBeginsWithLittle(t *testing.T) {
	unix := []string{
		"PATH=/bin", "HOME=/home/ada", "LANG=C.UTF-8", "LC_ALL=C", "TZ=Europe/Berlin", "TMPDIR=/var/tmp",
		"AWS_SECRET_ACCESS_KEY=x", "WP_VAR_password=x", "WAYPOINT_SERVER_TOKEN=x", "HTTP_PROXY=x", "MYPATH=x", "SSH_AUTH_SOCK=x", "path=x", "Path=x",
	}
	if got := appEnviron(unix, false); !slices.Equal(got, unix[:6]) {
		t.Error(got)
	}
	windows := []string{`Path=C:\Windows`, `SystemRoot=C:\Windows`, `TEMP=C:\Temp`, `ProgramFiles(x86)=C:\P`, `PATHEXT=.EXE`, "AWS_SECRET_ACCESS_KEY=x", "SystemRootX=x"}
	if got := appEnviron(windows, true); !slices.Equal(got, windows[:5]) {
		t.Error(got)
	}
	if got := AppEnviron([]string{}); got == nil || len(got) != 0 {
		t.Error(got) // not nil, which would be this process's
	}
}

func TestACommandWithASensitiveArgumentIsItsProgram(t *testing.T) {
	secrets := redact.New()
	secrets.Add("swordfish")
	env := &Call{Host: Host{Secrets: secrets}}
	for want, args := range map[string][]string{
		"sh …":              {"sh", "-c", "deploy --token=swordfish"},
		"make build x=fish": {"make", "build", "x=fish"},
		"make":              {"make"},
	} {
		if got := env.ShowCommand(args); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (&Call{}).ShowCommand([]string{"sh", "-c", "swordfish"}); got != "sh -c swordfish" {
		t.Error(got)
	}
}
