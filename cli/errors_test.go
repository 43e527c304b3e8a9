package cli

import (
	"bytes"
	"errors"
	"testing"

	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/shelltest"
)

func TestErrorsOfSeveralAppsAreAllShownAndNothingActsAsAFormat(t *testing.T) {
	env := shelltest.Env(t)
	sh := shell.New(shell.Deps{Env: env})
	sh.ShowError(errors.Join(problem.New("A", "app a: 100%%s %s", "%d").WithHint("100%% of it"), problem.ErrSilent, errors.New("app b:\x1b[2J failed")))
	want := "Error: App a: 100%s %d\n  100% of it\nError: App b: failed\n"
	if got := env.Err.(*bytes.Buffer).String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
