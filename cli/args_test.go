package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"pgregory.net/rapid"

	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/shelltest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

func testRoot(t *testing.T) *cobra.Command {
	t.Helper()
	return NewRoot(shell.Deps{Env: shelltest.Env(t), Catalog: func() *catalog.Catalog { return catalog.NewCatalog() }})
}

func TestSingleDashLongFlagsBecomeDouble(t *testing.T) {
	root := testRoot(t)
	for _, c := range []struct{ name, in, want string }{
		{"a value after =", "up -workspace=x", "up --workspace=x"},
		{"a bool", "up -plain", "up --plain"},
		{"a value of its own", "up -app x", "up --app x"},
		{"before the command", "-workspace x up -prune=false", "--workspace x up --prune=false"},
		{"a value with a dash", "up -prune-retain -1", "up --prune-retain -1"},
		{"a value that is a command's name", "-app up status -refresh", "--app up status --refresh"},
		{"a value that looks like a flag", "up -var -plain=1", "up --var -plain=1"},
		{"-local takes no value of its own", "up -local -plain", "up --local --plain"},
		{"short flags stay", "up -a x -w y -p z", "up -a x -w y -p z"},
		{"glued short flags stay", "up -vv -wprod", "up -vv -wprod"},
		{"double dashes stay", "up --app=x --plain", "up --app=x --plain"},
		{"what follows -- stays", "up -- -plain", "up -- -plain"},
		{"a lone dash is an argument", "login https://a -", "login https://a -"},
		{"a flag of the subcommand", "job list -state failed -limit 3", "job list --state failed --limit 3"},
		{"help", "job -help", "job --help"},
		{"almost a flag becomes a flag, to be refused", "up -worksapce=x", "up --worksapce=x"},
		{"an alias of a command", "job ls -json", "job ls --json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(shell.RewriteArgs(root, strings.Fields(c.in)), " ")
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRewritingNeverLosesOrReordersArguments(t *testing.T) {
	root := testRoot(t)
	word := rapid.OneOf(
		rapid.SampledFrom([]string{"up", "job", "list", "-app", "-plain", "-v", "--", "-", "-workspace=x", "-prune-retain", "x", "-zzzzzz"}),
		rapid.StringMatching(`-{0,3}[a-z=/]{0,8}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(word, 0, 8).Draw(t, "args")
		out := shell.RewriteArgs(root, in)
		if len(out) != len(in) {
			t.Fatalf("%q became %q", in, out)
		}
		for i := range in {
			if out[i] != in[i] && out[i] != "-"+in[i] {
				t.Fatalf("%q became %q", in[i], out[i])
			}
		}
		if again := shell.RewriteArgs(root, out); !slices.Equal(again, out) {
			t.Fatalf("%q became %q and then %q", in, out, again)
		}
	})
}

// Waypoint's command names, groups and all, of its last version.
const waypointCommands = `
artifact build|artifact list|artifact list-builds|artifact push|auth-method delete|auth-method inspect|auth-method list|auth-method set|
build|config delete|config get|config set|config source-delete|config source-get|config source-set|config sync|
context clear|context create|context delete|context inspect|context list|context rename|context set|context use|context verify|
deploy|deployment deploy|deployment destroy|deployment list|destroy|docs|exec|fmt|hostname delete|hostname list|hostname register|
init|install|job cancel|job get-stream|job inspect|job list|k8s bootstrap|login|logs|pipeline inspect|pipeline list|pipeline run|
plugin|project apply|project destroy|project inspect|project list|release|release list|runner adopt|runner agent|runner forget|runner inspect|
runner install|runner list|runner profile delete|runner profile edit|runner profile inspect|runner profile list|runner profile set|runner reject|
runner token|runner uninstall|server bootstrap|server config-set|server cookie|server install|server restore|server run|server snapshot|
server uninstall|server upgrade|status|task cancel|task inspect|task list|template|token exchange|token invite|token new|
trigger create|trigger delete|trigger inspect|trigger list|trigger update|ui|uninstall|up|user inspect|user invite|user modify|user token|
version|workspace create|workspace inspect|workspace list`

func TestEveryCommandOfWaypointAnswers(t *testing.T) {
	root := testRoot(t)
	for path := range strings.SplitSeq(strings.ReplaceAll(waypointCommands, "\n", ""), "|") {
		cmd := root
		for word := range strings.FieldsSeq(path) {
			next := shell.Child(cmd, word)
			if next == nil {
				if cmd.Hidden && cmd.DisableFlagParsing {
					break // the whole group answers
				}
				t.Errorf("waypoint %s does not answer", path)
				break
			}
			cmd = next
		}
	}
}

func TestNoCommandIsBothHereAndElsewhere(t *testing.T) {
	root := testRoot(t)
	for _, e := range elsewhere() {
		parent, name := root, e.path
		if group, sub, ok := strings.Cut(e.path, " "); ok {
			parent, name = shell.Child(root, group), sub
		}
		n := 0
		for _, c := range parent.Commands() {
			if c.Name() == name {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%q is there %d times", e.path, n)
		}
		if e.instead == "" {
			t.Errorf("%q does not say what to use instead", e.path)
		}
	}
}

// Every list, inspect and status has --json, and so have the operations.
func TestWhatShowsThingsHasJSON(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		switch c.Name() {
		case "list", "list-builds", "inspect", "status", "up", "build", "deploy", "release", "destroy", "logs", "get", "get-stream", "cancel":
			if !c.Hidden && shell.LookupFlag(c, "json") == nil {
				t.Errorf("%s has no --json", c.CommandPath())
			}
		}
	}
	visit(testRoot(t))
}

func TestEveryCommandSaysWhatItIsFor(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short help is %q", c.CommandPath(), c.Short)
		}
	}
	visit(testRoot(t))
}
