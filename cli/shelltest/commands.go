package shelltest

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
)

// Command is a command line of ours that a text names.
type Command struct{ Where, Line string }

// Commands returns every `waypoint …` of the documentation, the README files, the hints, the messages and the help,
// in the order of the files. root is the directory of the repository.
func Commands(t *testing.T, root string) []Command {
	t.Helper()
	all := append(documented(t, root), literal(t, root)...)
	if len(all) < 250 {
		t.Fatalf("only %d commands were found in the texts", len(all))
	}
	return all
}

var (
	verbs    = regexp.MustCompile(`%[-+#0-9.\[\]]*[a-zA-Z]`)
	optional = regexp.MustCompile(`\[[^\]]*\]`)
	word     = regexp.MustCompile(`(?:[^\s"']|"[^"]*"|'[^']*'|["'])+`)
	quotes   = strings.NewReplacer(`"`, "", "'", "")
)

// CommandArgs returns the arguments of a command line as it stands in a text. whole is false if the text leaves some
// out.
func CommandArgs(line string) (args []string, whole bool) {
	whole = true
	line = verbs.ReplaceAllString(line, "X")
	if optional.MatchString(line) {
		line, whole = optional.ReplaceAllString(line, ""), false
	}
	for _, w := range word.FindAllString(line, -1)[1:] {
		switch w = quotes.Replace(w); {
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

// CommandsIn returns the command lines in a text.
func CommandsIn(text string) []string {
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

// skipped are directories without texts of ours.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || name == "bin" || name == "dist" || name == "testdata" || name == "node_modules"
}

func files(t *testing.T, root string, use func(path, rel string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && skipped(d.Name()) {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			use(path, filepath.ToSlash(rel))
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
func documented(t *testing.T, root string) []Command {
	t.Helper()
	var out []Command
	files(t, root, func(path, rel string) {
		starter := strings.HasPrefix(rel, "cli/starter/") && !strings.HasSuffix(rel, ".go")
		if original[rel] || !starter && filepath.Ext(rel) != ".md" {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(fenced(string(text)), "\n") {
			for _, c := range CommandsIn(line) {
				out = append(out, Command{rel + ":" + strconv.Itoa(n+1), c})
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
func literal(t *testing.T, root string) []Command {
	t.Helper()
	var out []Command
	files(t, root, func(path, rel string) {
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
			for _, c := range CommandsIn(text) {
				out = append(out, Command{rel + ":" + strconv.Itoa(set.Position(expr.Pos()).Line), c})
			}
			return false
		})
	})
	return out
}

// stringOf is the text of a string literal, or of several with pluses between them; what is not literal counts as a
// word.
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
