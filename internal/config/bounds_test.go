package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// evalLabel evaluates an expression as the project's one label. dir is the project's directory.
func evalLabel(ctx context.Context, dir, expression string) (string, hcl.Diagnostics) {
	f, diags := Parse([]byte("project = \"p\"\nlabels = { x = "+expression+" }\n"), filepath.Join(dir, "waypoint.hcl"))
	if diags.HasErrors() {
		return "", diags
	}
	p, diags := f.Project(Input{Context: ctx, ProjectDir: dir, TempDir: filepath.Join(dir, "tmp")})
	return p.Labels["x"], diags
}

// small is a memory bound of the tests: what an evaluation may take, with some that the collector has not found yet.
const small = 1500 << 20

// TestAnEvaluationEndsWhateverItSays evaluates expressions that would fill the memory or take for ever. Each ends with an
// error that has a place.
func TestAnEvaluationEndsWhateverItSays(t *testing.T) {
	if testing.Short() {
		t.Skip("it works through the bounds")
	}
	if raceDetector {
		// The detector makes a loop of a billion steps ten times slower and its memory several times larger, and an evaluation
		// has one goroutine: the same test runs in a process built without it.
		out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run", "^"+t.Name()+"$", ".").CombinedOutput()
		if err != nil {
			t.Fatalf("without the race detector: %v\n%s", err, out)
		}
		return
	}
	// Near this limit the collector works harder, so that what is measured is what an evaluation needs and not what a
	// collector without a turn has left lying about.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(small * 2 / 3))
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 30; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	write("laughs.yaml", laughs)
	write("big", strings.Repeat("x", 20<<20))
	write("loop.tpl", "%{ for a in range(1000) }%{ for b in range(1000) }%{ for c in range(1000) }x%{ endfor }%{ endfor }%{ endfor }")
	write("stack.jsonnet", "local f(x) = f(x + 1); f(0)")
	nested := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	many := func(n int) string { return fmt.Sprintf("flatten([for a in range(%d): range(1000)])", n) }
	for name, expression := range map[string]string{
		"loops in loops":                "length([for a in range(1000): [for b in range(1000): [for c in range(1000): c]]])",
		"loops that keep nothing":       "length([for a in range(1000): 1 if length([for b in range(1000): 1 if length([for c in range(1000): c]) > 0]) > 0])",
		"an object of loops":            `length({for a in range(1000): a => {for b in range(1000): b => {for c in range(1000): c => c}}})`,
		"a template in loops":           `join("", [for a in range(1000): join("", [for b in range(1000): "${a}${b}${file("big")}"])])`,
		"a template of one long text":   `"` + strings.Repeat(`${file("big")}`, 100) + `"`,
		"a template's own loops":        `templatefile("loop.tpl")`,
		"a product of sets":             "length(setproduct(range(1000), range(1000), range(1000)))",
		"join":                          `join(file("big"), range(1000))`,
		"replace":                       `replace(file("big"), "x", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy")`,
		"replace by what was found":     `replace(file("big"), "/(x+)/", "` + strings.Repeat("$1", 200) + `")`,
		"matches of nothing":            `length(regexall("", file("big")))`,
		"indent":                        `indent(100000000, "a\nb\nc\nd")`,
		"split":                         `length(split("", file("big")))`,
		"format with a width":           `format("%1000000000d", 1)`,
		"format that repeats":           `format("` + strings.Repeat("%[1]s", 200) + `", file("big"))`,
		"format of lists":               `length(formatlist("` + strings.Repeat("%s", 50) + `", ` + strings.TrimSuffix(strings.Repeat(`file("big"), `, 49), ", ") + `, range(1000)))`,
		"compare each with each":        "length(distinct(" + many(100) + "))",
		"jsonencode of a shared value":  `length(jsonencode([for a in range(200): file("big")]))`,
		"billion laughs":                `length(jsonencode(yamldecode(file("laughs.yaml"))))`,
		"billion laughs, not used":      `length(yamldecode(file("laughs.yaml")))`,
		"jsondecode":                    `length(jsondecode("[${join(",", ` + many(1000) + `)}]"))`,
		"hide it behind try":            `try(length(setproduct(range(1000), range(1000), range(1000))), 1)`,
		"try in try":                    nested("try(", "nothing", ", 1)", 60),
		"numbers":                       "1e1000000",
		"small numbers":                 "1e-1000000",
		"a number made by a product":    "1e9000 * 1e9000 * 1e9000",
		"a number as a key":             `{ (1e9000 * 1e9000) = 1 }["x"]`,
		"a number that a function gets": `upper(1e9000 * 1e9000)`,
		"a number that a choice makes":  `true ? 1e9000 * 1e9000 : "x"`,
		"the rest of a number":          "1e9000 * 1e9000 * 1e9000 % 7",
		"pow":                           "pow(10, 100000)",
		"infinity":                      `tonumber("Inf")`,
		"parseint":                      `parseint(replace(file("big"), "x", "9"), 10)`,
		"brackets":                      nested("[", "1", "]", 100_000),
		"parentheses":                   nested("(", "1", ")", 100_000),
		"templates in templates":        nested(`"${`, "1", `}"`, 100_000),
		"a device":                      `file("/dev/zero")`,
		"jsonnet that recurses":         `jsonnetfile("stack.jsonnet")`,
	} {
		t.Run(name, func(t *testing.T) {
			debug.FreeOSMemory()
			most, stop := watchHeap()
			label, diags := evalLabel(t.Context(), dir, expression)
			stop()
			if !diags.HasErrors() {
				t.Fatalf("it made a text of %d characters", len(label))
			}
			d := firstError(diags)
			if d.Subject == nil || d.Subject.Start.Line != 2 || len(d.Detail) > 5000 || len(diags) > 20 || strings.Contains(d.Detail, "panic") || d.Summary == "Internal error" {
				t.Errorf("%d errors, the first at %v: %s: %.2000s", len(diags), d.Subject, d.Summary, d.Detail)
			}
			t.Logf("it took %d MB", *most>>20)
			if *most > small {
				t.Errorf("more than %d MB are too much", small>>20)
			}
		})
	}
}

// watchHeap watches the memory that is in use until stop is called.
func watchHeap() (most *uint64, stop func()) {
	most = new(uint64)
	end, ended := make(chan struct{}), make(chan struct{})
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		*most = max(*most, m.HeapInuse)
	}
	go func() {
		defer close(ended)
		for {
			look()
			select {
			case <-end:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return most, func() { close(end); <-ended }
}

// TestWhatPeopleWriteIsFarFromTheBounds evaluates what real files do, at a size that none has.
func TestWhatPeopleWriteIsFarFromTheBounds(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big"), []byte(strings.Repeat("x", 8<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	for expression, want := range map[string]string{
		`length([for a in range(300): [for b in range(300): "${a}-${b}"]])`:                         "300",
		`length(jsonencode({for a in range(1000): "key-${a}" => [for b in range(100): upper(b)]}))`: "501891",
		`length(base64encode(file("big")))`:                                                         "11184812",
		`length(setproduct(range(100), range(100)))`:                                                "10000",
		`length(distinct([for a in range(1000): a % 10]))`:                                          "10",
		`length(split("", "${join("", [for a in range(1000): "x"])}"))`:                             "1000",
		`length(regexall("", "abc"))`:                                                               "4",
		`format("%500s", "x") == "${join("", [for a in range(499): " "])}x"`:                        "true",
		`length(fileset(".", "` + strings.Repeat("{a,b}/", 40) + `"))`:                              "0",
		`1e9999 / 1e9998`:                                                  "10",
		`try(try(try(nothing, null).x, 1) + 1, 0)`:                         "2",
		`join(",", [for k, v in { a = 1, b = 2 } : "${k}=${v}" if v > 1])`: "b=2",
	} {
		got, diags := evalLabel(t.Context(), dir, expression)
		if diags.HasErrors() || got != want {
			t.Errorf("%s: got %q, want %q: %v", expression, got, want, diags)
		}
	}
}

// lookedAt is a context that ends when it is looked at for the nth time: in the middle of an evaluation, however fast or
// slow the machine is.
type lookedAt struct {
	context.Context
	left *atomic.Int64
	end  func()
}

func (l lookedAt) Err() error {
	if l.left.Add(-1) == 0 {
		l.end()
	}
	return l.Context.Err()
}

// TestAnEvaluationEndsWithItsContext cancels evaluations in the middle.
func TestAnEvaluationEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		if err := os.MkdirAll(filepath.Join(dir, "d", fmt.Sprint(i%17), fmt.Sprint(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "long.jsonnet"), []byte("local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1); f(100)"), 0o600); err != nil {
		t.Fatal(err)
	}
	why := errors.New("stopped by the test")
	for name, expression := range map[string]string{
		"a loop":        "length([for a in range(1000): 1 if length([for b in range(1000): 1 if length([for c in range(20): c]) > 0]) > 0])",
		"many files":    `length([for a in range(1000): fileset("d", "**/**/**/x")])`,
		"hidden by try": `try(length([for a in range(1000): [for b in range(1000): [for c in range(20): c]]]), 1)`,
		"jsonnet":       `jsonnetfile("long.jsonnet")`,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			end := func() { cancel(why) }
			if name == "jsonnet" { // nothing looks while the interpreter runs, which would do so for ever
				timer := time.AfterFunc(20*time.Millisecond, end)
				defer timer.Stop()
			}
			left := new(atomic.Int64)
			left.Store(100)
			_, diags := evalLabel(lookedAt{ctx, left, end}, dir, expression)
			if !diags.HasErrors() {
				t.Fatal("it did not end with its context")
			}
			if d := firstError(diags); !strings.Contains(strings.ToLower(d.Detail), why.Error()) {
				t.Errorf("%s: %s", d.Summary, d.Detail)
			}
		})
	}
}

// TestEachFileOnce lists trees with links in circles.
func TestEachFileOnce(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"d/a", "d/b"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"d/a/1.txt", "d/2.txt", "d/3.md"} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"d/self": ".", "d/up": "..", "d/a/top": filepath.Join(dir, "d"), "d/b/a": "../a", "d/file.txt": "2.txt", "d/gone.txt": "nowhere", "d/dir.txt": "a",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip("links cannot be made here:", err)
		}
	}
	for pattern, want := range map[string]string{
		"**/*.txt": "2.txt a/1.txt file.txt",
		"**":       "2.txt 3.md a/1.txt file.txt",
		"*/*.txt":  "a/1.txt",
		"*.txt":    "2.txt file.txt",
	} {
		got, diags := evalLabel(t.Context(), dir, `join(" ", sort(fileset("d", "`+pattern+`")))`)
		if diags.HasErrors() || got != want {
			t.Errorf("%s: got %q, want %q: %v", pattern, got, want, diags)
		}
	}
}

// TestGivenTextStaysWhatItIs gives texts that read as numbers to variables of every kind.
func TestGivenTextStaysWhatItIs(t *testing.T) {
	f, diags := Parse([]byte(`project = "p"
variable "untyped" {}
variable "text" { type = string }
variable "any" { type = any }
variable "number" { type = number }
variable "numbers" { type = list(number) }
`), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	long := strings.Repeat("1234567890", 30)
	for _, c := range []struct{ name, text, want string }{
		{"untyped", "3e24567", "3e24567"}, {"text", "3e24567", "3e24567"}, {"any", "3e24567", "3e24567"}, {"number", "3e24567", "error: out of range"},
		{"any", "1e99999999", "1e99999999"}, {"number", "1e99999999", "error: out of range"}, {"number", "-1e99999999", "error: out of range"},
		{"number", "1e-99999999", "error: out of range"}, {"numbers", "[1e99999999]", "error: out of range"},
		{"any", "1e3", "1e3"}, {"number", "1e3", "1000"}, {"any", "1.10", "1.10"}, {"number", "1.10", "1.1"}, {"any", "007", "007"}, {"number", "007", "7"},
		{"any", "12", "12"}, {"any", "-1.5", "-1.5"}, {"number", "0.1", "0.1"},
		{"any", long, long}, {"number", long, "error: more digits"}, {"text", long, long},
		{"number", "Inf", "error:"}, {"number", "-inf", "error:"}, {"number", "NaN", "error:"}, {"any", "Inf", "Inf"}, {"any", "NaN", "NaN"},
		{"numbers", "[1, 2]", "[1, 2]"}, {"any", "[1, 2]", "[1, 2]"}, {"any", `["3e24567"]`, `["3e24567"]`}, {"any", "true", "true"},
		{"any", "[for a in [1]: [for b in [1e99999]: b]]", "error: out of range"},
	} {
		values, _, diags := f.ResolveVars([]VarInput{{Name: c.name, Value: c.text, Source: SourceFlag, Origin: "-var"}}, Input{Preview: true})
		got := ""
		if diags.HasErrors() {
			got = "error: " + firstError(diags).Detail
		} else {
			got = valueText(values[c.name])
		}
		if word, isError := strings.CutPrefix(c.want, "error:"); isError && strings.HasPrefix(got, "error:") && strings.Contains(got, strings.TrimSpace(word)) {
			continue
		}
		if len(got) > 400 || got != c.want {
			t.Errorf("%s = %.40s: got %.400s, want %.40s", c.name, c.text, got, c.want)
		}
	}
}

func TestAVarFileIsBounded(t *testing.T) {
	loop := "[for a in l: [for b in l: [for c in l: [for d in l: d]]]]"
	loop = strings.ReplaceAll(loop, " l:", " ["+strings.TrimSuffix(strings.Repeat("1,", 200), ",")+"]:")
	path := filepath.Join(t.TempDir(), "x.wpvars")
	for text, want := range map[string]string{"a = " + loop: "Evaluation stopped", "a = 1e99999": "Number out of range"} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, diags := LoadVarFile(path, SourceFile)
		if !diags.HasErrors() || firstError(diags).Summary != want || firstError(diags).Subject == nil {
			t.Errorf("%.20s: got %v, want %s", text, diags, want)
		}
	}
}

// TestJSONFilesAreBoundedToo: what they call is, whatever they are written in.
func TestJSONFilesAreBoundedToo(t *testing.T) {
	for _, expression := range []string{"${length(setproduct(range(1000), range(1000), range(1000)))}", `${upper(pow(10, 100000))}`} {
		text, err := json.Marshal(map[string]any{"project": "p", "labels": map[string]string{"x": expression}})
		if err != nil {
			t.Fatal(err)
		}
		f, diags := Parse(text, "waypoint.json")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if _, diags = f.Project(Input{}); !diags.HasErrors() {
			t.Errorf("%s was evaluated", expression)
		}
	}
	f, _ := Parse([]byte(`{"project": "p", "labels": {"x": 1e99999}}`), "waypoint.json")
	if p, diags := f.Project(Input{}); !diags.HasErrors() {
		t.Errorf("a label of %d characters", len(p.Labels["x"]))
	}
}

func TestNumbersInAFileHaveTheirPlace(t *testing.T) {
	_, diags := Parse([]byte("project = \"p\"\napp \"a\" {\n  build {\n    use \"docker\" {\n      x = 1e99999\n    }\n  }\n}\n"), "waypoint.hcl")
	found := false
	for _, d := range diags {
		found = found || d.Summary == "Number out of range" && d.Subject.Start.Line == 5
	}
	if !found {
		t.Errorf("got %v", diags)
	}
	if _, err := (&VariableDecl{Type: cty.Number}).parseText("5"); err != nil {
		t.Error(err)
	}
}
