package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/help"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// visible are all commands that help shows.
func visible(t *testing.T) (out []*cobra.Command) {
	t.Helper()
	root := testRoot(t)
	root.InitDefaultHelpCmd()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		out = append(out, c)
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				walk(sub)
			}
		}
	}
	walk(root)
	if len(out) < 70 {
		t.Fatalf("only %d commands", len(out))
	}
	return out
}

// isGroup reports whether a command without a subcommand only shows its help.
func isGroup(c *cobra.Command) bool { return c.HasAvailableSubCommands() && c.Name() != "release" }

func TestEveryCommandThatRunsSomethingHasAnExample(t *testing.T) {
	unused := examples()
	for _, c := range visible(t) {
		path := strings.TrimPrefix(c.CommandPath(), "waypoint ")
		if !isGroup(c) && !c.HasExample() {
			t.Errorf("`waypoint %s` has no example: write one into cli/examples.go", path)
		}
		if e, ok := unused[path]; ok && strings.Contains(c.Example, strings.SplitN(e, "\n", 2)[0]) {
			delete(unused, path)
		}
	}
	for path := range unused {
		t.Errorf("the example of `waypoint %s` is not used: there is no such command, or it has its own", path)
	}
}

func TestHelpFitsTheTerminal(t *testing.T) {
	for _, c := range visible(t) {
		for _, columns := range []int{0, 80, 60, 200} {
			most := columns
			if columns == 0 {
				most = 80
			}
			if columns == 200 {
				most = terminal.MostColumns
			}
			for line := range strings.Lines(help.Text(c, columns)) {
				line = strings.TrimSuffix(line, "\n")
				example := strings.HasPrefix(line, "  waypoint ") // it can be copied, so it is not broken
				if terminal.Width(line) > most && (columns != 60 || !example && !strings.HasPrefix(line, "   ")) {
					t.Errorf("`%s --help` at %d columns: %q", c.CommandPath(), columns, line)
				}
			}
		}
	}
	for _, topic := range help.Topics() {
		for _, line := range help.Prose(topic.Text, 80) {
			if terminal.Width(line) > 80 {
				t.Errorf("topic %s: %q", topic.Name, line)
			}
		}
	}
}

// goWords are types that mean nothing to a person.
var goWords = regexp.MustCompile(`--\S+ (string|stringArray|stringSlice|int|int32|duration|count|bool|uint\d*)\b`)

func TestHelpHasNoWordsOfGo(t *testing.T) {
	for _, c := range visible(t) {
		if found := goWords.FindString(help.Text(c, 80)); found != "" {
			t.Errorf("`%s --help`: %q", c.CommandPath(), found)
		}
	}
}

func TestFlagsOfEveryCommandStandWhereTheyMeanSomething(t *testing.T) {
	for path, want := range map[string][]string{
		"fmt": {"plain", "verbose"}, "up": {"project", "app", "workspace", "cost", "plain", "verbose"}, "token create": {"cost", "plain", "verbose"},
		"context set": {"workspace", "plain", "verbose"}, "plan": {"project", "app", "workspace", "plain", "verbose"},
	} {
		cmd, _, err := testRoot(t).Find(strings.Fields(path))
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range []string{"project", "app", "workspace", "cost", "plain", "verbose"} {
			if got := help.Means(cmd, flag); got != slices.Contains(want, flag) {
				t.Errorf("%s --%s: %t", path, flag, got)
			}
		}
	}
}

// unlisted are variables that are not for people to set.
var unlisted = map[string]bool{"WAYPOINT_TOKEN": true, "WAYPOINT_COMMAND": true}

func TestTheTopicHasTheVariablesThatCommandsRead(t *testing.T) {
	variable := regexp.MustCompile(`^(WAYPOINT_[A-Z_]+|NO_COLOR|CLICOLOR_FORCE|BROWSER|XDG_[A-Z_]+)$`)
	text := help.Topics()[0].Text
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if name, err := strconv.Unquote(lit.Value); err == nil && variable.MatchString(name) && !unlisted[name] && !strings.Contains(text, name) {
					t.Errorf("%s reads %s, which `waypoint help environment` does not name", path, name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
