package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/shelltest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

// mention is a command line of ours that a text names.
type mention struct{ where, line string }

// TestCommandsInTextsExist takes every `waypoint …` of the documentation, the README files, the hints, the messages and the
// help, and parses it with the real command tree: the command is there, so are its flags, and it gets the arguments that it
// needs. A command's bare name is a name and needs none.
func TestCommandsInTextsExist(t *testing.T) {
	all := append(documented(t), literal(t)...)
	if len(all) < 250 {
		t.Fatalf("only %d commands were found in the texts", len(all))
	}
	for _, m := range all {
		if wrong := checkMention(t, m.line); wrong != "" {
			t.Errorf("%s: `%s`: %s", m.where, m.line, wrong)
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
		"waypoint token new X":                              false, // of the original
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
		got := strings.Join(commandsIn(text), "|")
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
	args, whole := words(line)
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

var (
	verbs    = regexp.MustCompile(`%[-+#0-9.\[\]]*[a-zA-Z]`)
	optional = regexp.MustCompile(`\[[^\]]*\]`)
)

// words are the arguments of a command line as it stands in a text. whole is false if the text leaves some out.
func words(line string) (args []string, whole bool) {
	whole = true
	line = verbs.ReplaceAllString(line, "X")
	if optional.MatchString(line) {
		line, whole = optional.ReplaceAllString(line, ""), false
	}
	for _, w := range strings.Fields(line)[1:] {
		switch w = strings.Trim(w, `'"`); {
		case w == "…" || w == "..." || w == "":
			whole = false
		case strings.ContainsAny(w[:1], "|>&;<#"):
			return args, whole
		default:
			args = append(args, w)
		}
	}
	return args, whole
}

var (
	// quoted is code inside prose, or help's way to quote a command.
	quoted = regexp.MustCompile("`(?:[A-Z_]+=\\S* )*(waypoint(?: [^`]*)?)`|\"(waypoint [^\"\n]*)\"")
	// alone is a line of an example.
	alone = regexp.MustCompile(`(?m)^(?: {2,}|\t+)(?:\$ )?(?:[A-Z_]+=\S* )*(waypoint [^\n` + "`" + `]*)$`)
	// after is how a hint without quotes says what to run.
	after = regexp.MustCompile(`(?:[:(]|Run|with|then|say) (waypoint [a-z][^` + "`" + `"\n]*)`)
	end   = regexp.MustCompile(`[.,;:)](?:\s|$)| {2,}`)
)

// commandsIn are the command lines in a text.
func commandsIn(text string) []string {
	var out []string
	add := func(line string) {
		if strings.HasPrefix(line, "waypoint ") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		add(m[1] + m[2])
	}
	for _, m := range alone.FindAllStringSubmatch(text, -1) {
		line, _, _ := strings.Cut(m[1], " | ")
		line, _, _ = strings.Cut(line, "  ")
		add(line)
	}
	for _, m := range after.FindAllStringSubmatch(text, -1) {
		line := m[1]
		if at := end.FindStringIndex(line); at != nil {
			line = line[:at[0]]
		}
		add(line)
	}
	return out
}

const repository = ".."

// skipped are directories without texts of ours.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") && name != ".." || name == "bin" || name == "dist" || name == "testdata" || name == "node_modules"
}

func files(t *testing.T, use func(path string)) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != repository && skipped(d.Name()) {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			use(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// original are pages that name commands of HashiCorp Waypoint beside ours.
var original = map[string]bool{"docs/coming-from-waypoint.md": true}

// documented are the commands in documentation, examples and starters.
func documented(t *testing.T) []mention {
	t.Helper()
	var out []mention
	files(t, func(path string) {
		rel := filepath.ToSlash(strings.TrimPrefix(path, repository+string(filepath.Separator)))
		starter := strings.HasPrefix(rel, "cli/starter/") && !strings.HasSuffix(rel, ".go")
		if original[rel] || !starter && filepath.Ext(rel) != ".md" {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(fenced(string(text)), "\n") {
			for _, c := range commandsIn(line) {
				out = append(out, mention{rel + ":" + strconv.Itoa(n+1), c})
			}
		}
	})
	return out
}

// fenced indents the lines of fenced blocks, as those of the other kind are.
func fenced(text string) string {
	lines, in := strings.Split(text, "\n"), false
	for i, line := range lines {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			in = !in
		case in:
			lines[i] = "    " + line
		}
	}
	return strings.Join(lines, "\n")
}

// literal are the commands in the strings of our programs: hints, messages, help.
func literal(t *testing.T) []mention {
	t.Helper()
	var out []mention
	files(t, func(path string) {
		rel := filepath.ToSlash(strings.TrimPrefix(path, repository+string(filepath.Separator)))
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") || strings.HasPrefix(rel, "api/waypoint/") {
			return
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			expr, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := stringOf(expr)
			if !ok {
				return true
			}
			for _, c := range commandsIn(text) {
				out = append(out, mention{rel + ":" + strconv.Itoa(set.Position(expr.Pos()).Line), c})
			}
			return false
		})
	})
	return out
}

// stringOf is the text of a string literal, or of several with pluses between them; what is not literal counts as a word.
func stringOf(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		if x.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(x.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, okLeft := stringOf(x.X)
		right, okRight := stringOf(x.Y)
		if x.Op != token.ADD || !okLeft && !okRight {
			return "", false
		}
		if !okLeft {
			left = "X"
		}
		if !okRight {
			right = "X"
		}
		return left + right, true
	}
	return "", false
}

// runnable are the commands that need neither a server nor an AWS account, and change nothing.
var runnable = regexp.MustCompile(`^waypoint (version|docs|help|completion (bash|zsh|fish|powershell)|[a-z -]+ --help|install --platform=aws --print-policy)$`)

// Commands of the texts that can be run without a server are run. The scripts below testdata run the others.
func TestCommandsInTextsThatNeedNoServerRun(t *testing.T) {
	ran := map[string]bool{}
	for _, m := range append(documented(t), literal(t)...) {
		if ran[m.line] || !runnable.MatchString(m.line) {
			continue
		}
		ran[m.line] = true
		env := shelltest.Env(t)
		deps := shell.Deps{Env: env, Catalog: func() *catalog.Catalog { return catalog.NewCatalog() }}
		if code := Run(t.Context(), deps, strings.Fields(m.line)[1:]); code != 0 {
			t.Errorf("%s: `%s` ends with %d: %s", m.where, m.line, code, env.Err)
		}
	}
	if len(ran) < 2 {
		t.Errorf("only these commands were run: %v", ran)
	}
	t.Logf("%d commands were run", len(ran))
}
