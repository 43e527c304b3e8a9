package words

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// notYet are the folders whose texts have not been revised.
var notYet = []string{}

// rule is one entry of tools/words.txt.
type rule struct {
	pattern *regexp.Regexp
	use     string
	except  []*regexp.Regexp
}

// finding is a text that a rule does not allow.
type finding struct{ place, text, use string }

// text is something that people read, and where it begins.
type text struct {
	file string
	line int
	s    string
}

func TestTextsUseTheWordsOfTheList(t *testing.T) {
	rules := readRules(t)
	texts := collectTexts(t)
	if len(rules) < 30 || len(texts) < 5000 {
		t.Fatalf("%d rules and %d texts: something was not read", len(rules), len(texts))
	}
	for _, x := range texts {
		for _, f := range check(rules, x) {
			t.Errorf("%s: %q: use %s", f.place, f.text, f.use)
		}
	}
}

func TestRulesFindWhatTheyForbidAndAllowTheirExceptions(t *testing.T) {
	rules := readRules(t)
	for _, c := range []struct {
		s     string
		found bool
	}{
		{"a doorbell was not rung", true},
		{"port = 8080000 is no port", true},
		{"port 8080000 is not a valid port", false},
		{"There is no such file", false},
		{"this is no longer supported", false},
		{"Held says whether the lock is held", true},
		{"Held reports whether the lock is held", false},
		{"the stack is in motion", true},
		{"DOORBELL_PENDING", false},
		{splitName("RingAgainIfDue"), true},
		{splitName("WakeAgainIfDue"), false},
	} {
		if got := len(check(rules, text{s: c.s})) > 0; got != c.found {
			t.Errorf("%q: found is %v", c.s, got)
		}
	}
}

// check returns what the rules find in a text, without what their exceptions cover.
func check(rules []rule, x text) (out []finding) {
	for _, r := range rules {
		for _, at := range r.pattern.FindAllStringIndex(x.s, -1) {
			if covered(r.except, x.s, at) {
				continue
			}
			line := x.line + strings.Count(x.s[:at[0]], "\n")
			from, to := max(0, at[0]-30), min(len(x.s), at[1]+30)
			around := strings.ToValidUTF8(strings.Join(strings.Fields(x.s[from:to]), " "), "")
			out = append(out, finding{fmt.Sprintf("%s:%d", x.file, line), around, r.use})
		}
	}
	return out
}

// covered reports whether an exception matches at a place that overlaps the finding.
func covered(except []*regexp.Regexp, s string, at []int) bool {
	for _, e := range except {
		for _, ok := range e.FindAllStringIndex(s, -1) {
			if ok[0] < at[1] && at[0] < ok[1] {
				return true
			}
		}
	}
	return false
}

// readRules reads tools/words.txt: a pattern begins a line, and indented lines say what to use and what is allowed.
func readRules(t *testing.T) (out []rule) {
	f, err := os.Open(filepath.Join(root, "tools", "words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), " ")
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case line == "" || line[0] == '#':
		case line[0] != ' ':
			out = append(out, rule{pattern: compile(t, n, line)})
		case key == "use" && len(out) > 0:
			out[len(out)-1].use = value
		case key == "except" && len(out) > 0:
			last := &out[len(out)-1]
			last.except = append(last.except, compile(t, n, value))
		default:
			t.Fatalf("tools/words.txt:%d is neither a pattern nor one of use and except", n)
		}
	}
	for _, r := range out {
		if r.use == "" {
			t.Errorf("tools/words.txt: %s has no use", r.pattern)
		}
	}
	return out
}

func compile(t *testing.T, line int, pattern string) *regexp.Regexp {
	re, err := regexp.Compile(`(?i)\b(?:` + strings.ReplaceAll(pattern, " ", `\s+`) + `)\b`)
	if err != nil {
		t.Fatalf("tools/words.txt:%d: %v", line, err)
	}
	return re
}

// collectTexts reads every text that the list is about.
func collectTexts(t *testing.T) (out []text) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			skip := []string{".git", "bin", "dist", "node_modules", "testdata", "changelog"}
			if slices.Contains(skip, d.Name()) || slices.Contains(notYet, rel) {
				return filepath.SkipDir
			}
			return nil
		}
		got, err := textsOf(rel, path)
		out = append(out, got...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// textsOf reads the texts of one file: pages and build files whole, of Go files what people see.
func textsOf(rel, path string) ([]text, error) {
	generated := strings.HasSuffix(rel, ".pb.go") || strings.HasSuffix(rel, ".connect.go")
	switch {
	case strings.HasSuffix(rel, ".go") && !strings.HasSuffix(rel, "_test.go") && !generated:
		return goTexts(rel, path)
	case strings.HasSuffix(rel, ".md"), rel == "Makefile":
		whole, err := os.ReadFile(path)
		return []text{{rel, 1, string(whole)}}, err
	case strings.HasSuffix(rel, ".proto"):
		return protoTexts(rel, path)
	}
	return nil, nil
}

// protoTexts reads the comments of a file of the contract; names and numbers on the wire stay as they are.
func protoTexts(rel, path string) (out []text, err error) {
	whole, err := os.ReadFile(path)
	for i, line := range strings.Split(string(whole), "\n") {
		if _, comment, ok := strings.Cut(line, "//"); ok {
			out = append(out, text{rel, i + 1, comment})
		}
	}
	return out, err
}

// goTexts reads string literals, the package's comment, exported names and their comments.
func goTexts(rel, path string) (out []text, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	add := func(n ast.Node, s string) { out = append(out, text{rel, set.Position(n.Pos()).Line, s}) }
	comment := func(groups ...*ast.CommentGroup) {
		for _, c := range groups {
			if c != nil {
				add(c, c.Text())
			}
		}
	}
	comment(file.Doc)
	exportedNames(file, func(id *ast.Ident) { add(id, splitName(id.Name)) })
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() {
				comment(d.Doc)
			}
		case *ast.GenDecl:
			exportedSpecs(d, comment)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
				add(n, s)
			}
		}
		return true
	})
	return out, nil
}

// exportedNames reads the exported names that a file declares, with those of fields and methods.
func exportedNames(file *ast.File, add func(*ast.Ident)) {
	ast.Inspect(file, func(n ast.Node) bool {
		var names []*ast.Ident
		switch n := n.(type) {
		case *ast.BlockStmt:
			return false
		case *ast.FuncDecl:
			names = []*ast.Ident{n.Name}
		case *ast.TypeSpec:
			names = []*ast.Ident{n.Name}
		case *ast.ValueSpec:
			names = n.Names
		case *ast.Field:
			names = n.Names
		}
		for _, id := range names {
			if id.IsExported() {
				add(id)
			}
		}
		return true
	})
}

var nameParts = regexp.MustCompile(`[A-Z]+(?:[a-z0-9]+|\b)|[A-Z]+`)

// splitName renders a name as the words that it consists of: "WakeUpPool" is "Wake Up Pool".
func splitName(name string) string { return strings.Join(nameParts.FindAllString(name, -1), " ") }

// exportedSpecs reads the comments of exported types, constants and variables, and of exported fields and methods.
func exportedSpecs(d *ast.GenDecl, comment func(...*ast.CommentGroup)) {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.ValueSpec:
			if s.Names[0].IsExported() {
				comment(d.Doc, s.Doc, s.Comment)
			}
		case *ast.TypeSpec:
			if !s.Name.IsExported() {
				continue
			}
			comment(d.Doc, s.Doc, s.Comment)
			var fields *ast.FieldList
			switch x := s.Type.(type) {
			case *ast.StructType:
				fields = x.Fields
			case *ast.InterfaceType:
				fields = x.Methods
			default:
				continue
			}
			for _, f := range fields.List {
				if len(f.Names) == 0 || f.Names[0].IsExported() {
					comment(f.Doc, f.Comment)
				}
			}
		}
	}
}
