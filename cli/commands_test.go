package cli

import (
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/shelltest"
)

// TestCommandsInTextsExist takes every `waypoint …` of the documentation, the README files, the hints, the messages and the
// help, and parses it with the real command tree: the command is there, so are its flags, and it gets the arguments that it
// needs. A command's bare name is a name and needs none.
func TestCommandsInTextsExist(t *testing.T) {
	for _, c := range shelltest.Commands(t, "..") {
		if wrong := checkMention(t, c.Line); wrong != "" {
			t.Errorf("%s: `%s`: %s", c.Where, c.Line, wrong)
		}
	}
}

// What the check must find.
func TestWrongCommandsInTextsAreFound(t *testing.T) {
	for line, right := range map[string]bool{
		"waypoint token create":                            true,
		"waypoint token create NAME --kind runner":         true,
		"waypoint token create %s -kind runner -label k=v": true,
		"waypoint up":                                       true,
		"waypoint -project X up -prune-retain 2":            true,
		"waypoint install --platform=aws --parameter A=B,…": true,
		"waypoint logs … ":                                  true,
		"waypoint token create --runner":                    false,
		"waypoint token create --kind runner":               false,
		"waypoint token create --name ci":                   false,
		"waypoint tokens list":                              false,
		"waypoint token make X":                             false,
		"waypoint up now":                                   false,
		"waypoint project apply":                            false, // planned
		"waypoint token new X":                              true,  // of the original, an alias
		"waypoint token invite X":                           false, // of the original
	} {
		if wrong := checkMention(t, line); (wrong == "") != right {
			t.Errorf("%s: %q", line, wrong)
		}
	}
	for text, want := range map[string]string{
		"Run `waypoint login`, or set X.":                   "waypoint login",
		"List the tokens: waypoint token list.":             "waypoint token list",
		"Make one (`waypoint token create NAME`) and go":    "waypoint token create NAME",
		"    $ WAYPOINT_PLAIN=1 waypoint up -app web | cat": "waypoint up -app web",
		"waypoint is a command":                             "",
	} {
		got := strings.Join(shelltest.CommandsIn(text), "|")
		if got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

// processes are what this binary starts of itself: no commands for people, and in no tree.
var processes = map[string]bool{pluginProcess: true, "runner-guard": true}

// checkMention says what is wrong with a command line; "" is nothing.
func checkMention(t *testing.T, line string) string {
	t.Helper()
	args, whole := shelltest.CommandArgs(line)
	root := testRoot(t)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if args = shell.RewriteArgs(root, args); len(args) == 0 {
		return ""
	}
	cmd, rest, err := root.Find(args)
	switch {
	case args[0] == "X" || processes[args[0]]: // what the program fills in; a process, which is in no tree
		return ""
	case err != nil:
		return err.Error()
	case cmd.DisableFlagParsing && cmd.Hidden:
		return "this command is not there: " + cmd.Short
	case len(rest) == 0 || cmd.DisableFlagParsing:
		return ""
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err.Error()
	}
	given := cmd.Flags().Args()
	if !whole && len(given) == 0 {
		return ""
	}
	if err := cmd.ValidateArgs(given); err != nil {
		return err.Error()
	}
	return ""
}
