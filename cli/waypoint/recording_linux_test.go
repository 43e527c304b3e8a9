package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the recordings again")

// recording is a `waypoint up` of a project, recorded on terminals of several kinds.
type recording struct {
	// name is that of the file below testdata/recordings.
	name string
	// apps and the scripts that build them. One that waits for the file "go" is shown while it runs, too.
	apps []builtApp
	// during is what stands on the screen when it is looked at while it runs.
	during string
	// interrupt: then it gets Ctrl-C.
	interrupt bool
	exit      int
}

type builtApp struct{ name, script string }

var recordings = []recording{
	{
		name:   "build_of_300_lines",
		apps:   []builtApp{{"web", printLines(300) + "while ! test -e go; do sleep 0.05; done\n"}},
		during: "line 300",
	},
	{
		name: "two_apps",
		apps: []builtApp{{"backend", printLines(40)}, {"front", printLines(2)}},
	},
	{
		name: "failure",
		apps: []builtApp{{"web", printLines(30) + `printf 'tab\there \033[31mred\033[0m 日本語\n10%%\r20%%\r100%%\n'` +
			"\necho \"cannot find the module that this program imports: example.com/a/long/path/of/a/module/v2, required by main.go\"\nexit 3\n"}},
		exit: 1,
	},
}

// An interrupt is recorded on terminals alone: without one there is no key for it.
var interrupted = recording{
	name: "interrupt",
	apps: []builtApp{{"web", printLines(30) + "while ! test -e go; do sleep 0.05; done\n"}}, during: "line 30", interrupt: true, exit: 130,
}

func printLines(n int) string {
	return fmt.Sprintf("i=1\nwhile test $i -le %d; do echo \"line $i: compiling a package of this program\"; i=$((i+1)); done\n", n)
}

// recordedOn are the kinds of terminals.
var recordedOn = []struct {
	name          string
	columns, rows int // 0: no terminal
	env           string
}{
	{"80x24", 80, 24, ""}, {"120x40", 120, 40, ""}, {"no terminal", 0, 0, ""}, {"80x24, NO_COLOR", 80, 24, "NO_COLOR=1"},
}

// The recordings show what a person sees: each was looked at before it was committed. Times and ids are replaced.
func TestRecordings(t *testing.T) {
	r := newReader(t)
	if out, err := r.command(t, plan{}, []string{"install", "--platform=local", "--listen", "none"}); err != nil {
		t.Fatal(err, out)
	}
	r.env = append(r.env, "TERM=xterm-256color", "CLICOLOR_FORCE=", "NO_COLOR=")
	for _, rec := range append(slices.Clone(recordings), interrupted) {
		t.Run(rec.name, func(t *testing.T) {
			var got strings.Builder
			for i, on := range recordedOn {
				if rec.interrupt && on.columns == 0 {
					continue
				}
				project := fmt.Sprintf("shop%s%d", rec.name[:1], i)
				dir := writeProject(t, project, rec.apps)
				fmt.Fprintf(&got, "===== %s =====\n", on.name)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				cmd := exec.CommandContext(ctx, "waypoint", "up")
				cmd.Dir, cmd.Env = dir, append(slices.Clone(r.env), on.env)
				if on.columns == 0 {
					got.WriteString(recordPipe(t, cmd, rec, dir))
				} else {
					got.WriteString(recordTerminal(t, cmd, rec, dir, on.columns, on.rows))
				}
				cancel()
			}
			path := filepath.Join("testdata", "recordings", rec.name+".txt")
			if *update {
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got.String()), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s differs; look at it, and run with -update if it should.\ngot:\n%s\nwant:\n%s", path, got.String(), want)
			}
		})
	}
}

func writeProject(t *testing.T, project string, apps []builtApp) (dir string) {
	t.Helper()
	dir = t.TempDir()
	file := fmt.Sprintf("project = %q\n", project)
	for _, app := range apps {
		file += fmt.Sprintf("app %q {\n  path = \"./%s\"\n  build {\n    use \"process\" {\n      command = [\"sh\", \"build.sh\"]\n      path = \".\"\n    }\n  }\n"+
			"  deploy {\n    use \"null\" {}\n  }\n}\n", app.name, app.name)
		if err := errors.Join(os.Mkdir(filepath.Join(dir, app.name), 0o755),
			os.WriteFile(filepath.Join(dir, app.name, "build.sh"), []byte(app.script), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// letGo lets the build end that waits for it.
func letGo(t *testing.T, rec recording, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, rec.apps[0].name, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func recordPipe(t *testing.T, cmd *exec.Cmd, rec recording, dir string) string {
	t.Helper()
	if rec.during != "" {
		letGo(t, rec, dir)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if code := exitCode(cmd.Run()); code != rec.exit {
		t.Errorf("exit code %d, want %d", code, rec.exit)
	}
	return byApp(normalize(out.String()))
}

func recordTerminal(t *testing.T, cmd *exec.Cmd, rec recording, dir string, columns, rows int) string {
	t.Helper()
	p := startOn(t, cmd, columns, rows)
	var got strings.Builder
	if rec.during != "" {
		waitFor(t, p, rec.during)
		fmt.Fprintf(&got, "----- while it runs -----\n%s----- in the end -----\n", normalize(p.visible()))
		if rec.interrupt {
			if _, err := p.master.WriteString("\x03"); err != nil {
				t.Fatal(err)
			}
		} else {
			letGo(t, rec, dir)
		}
	}
	code := exitCode(cmd.Wait())
	<-p.closed
	if code != rec.exit || len(p.unknown()) > 0 {
		t.Errorf("exit code %d, want %d; unknown sequences: %v", code, rec.exit, p.unknown())
	}
	colors := "no"
	if bytes.Contains(p.written(), []byte("\x1b[2m")) {
		colors = "yes"
	}
	got.WriteString(byApp(normalize(p.all())) + "(colours: " + colors + ")\n")
	return got.String()
}

// waitFor waits until the screen shows a text.
func waitFor(t *testing.T, p *pty, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(p.visible(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %q; the screen shows:\n%s", text, p.visible())
		}
	}
}

// replaced are what differs between two runs.
var replaced = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?m)^([a-z]+ +[│|] )?Waiting.*\n`), ""},
	{regexp.MustCompile(`\b01[0-9A-HJKMNP-TV-Z]{24}\b`), "01AAAAAAAAAAAAAAAAAAAAAAAA"},
	{regexp.MustCompile(`(Keeping ).*/`), "${1}DIR/"},
	{regexp.MustCompile(`\bshop([a-z])\d`), "shop${1}0"},
	{regexp.MustCompile(`[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]`), "⠋"},
	{regexp.MustCompile(`(?m)^( ⠋ .*?)( \d+m?s)?$`), "$1"}, // how long a step has been running, after a second
	{regexp.MustCompile(`\b(\d+ms|\d+\.\ds|\d+s|\d+m\d\ds)\b`), "1s"},
	{regexp.MustCompile(`\(1s, `), "("},      // a step shows its time
	{regexp.MustCompile(`(?m) \(1s\)$`), ""}, // from 100 ms on
}

func normalize(text string) string {
	for _, r := range replaced {
		text = r.pattern.ReplaceAllString(text, r.with)
	}
	return text
}

// ofApp is a line of one app among several.
var ofApp = regexp.MustCompile(`^([a-z]+) +[│|]`)

// byApp puts the lines of apps that run side by side together: which comes first differs between two runs. The other lines
// stay before or behind them.
func byApp(text string) string {
	var before, after []string
	apps := map[string][]string{}
	for line := range strings.Lines(text) {
		switch found := ofApp.FindStringSubmatch(line); {
		case found != nil:
			apps[found[1]] = append(apps[found[1]], line)
		case len(apps) == 0:
			before = append(before, line)
		default:
			after = append(after, line)
		}
	}
	for _, app := range slices.Sorted(maps.Keys(apps)) {
		before = append(before, apps[app]...)
	}
	return strings.Join(append(before, after...), "")
}

// A terminal that becomes narrow, wide and low while a job runs shows no stale lines in the end.
func TestResizingTheTerminalOfAnUp(t *testing.T) {
	r := newReader(t)
	if out, err := r.command(t, plan{}, []string{"install", "--platform=local", "--listen", "none"}); err != nil {
		t.Fatal(err, out)
	}
	rec := recordings[0]
	dir := writeProject(t, "resized", rec.apps)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "waypoint", "up")
	cmd.Dir, cmd.Env = dir, append(r.env, "TERM=xterm-256color", "NO_COLOR=", "CLICOLOR_FORCE=")
	p := startOn(t, cmd, 80, 24)
	waitFor(t, p, rec.during)
	for _, size := range [][2]int{{30, 24}, {12, 10}, {200, 50}, {40, 5}, {80, 24}} {
		if err := p.resize(size[0], size[1]); err != nil {
			t.Fatal(err)
		}
		drawn := len(p.written())
		for len(p.written()) == drawn { // the spinner moves
			time.Sleep(5 * time.Millisecond)
		}
	}
	letGo(t, rec, dir)
	if code := exitCode(cmd.Wait()); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-p.closed
	if got := p.all(); strings.Contains(got, "line 2") || strings.Count(got, "Running sh build.sh") != 1 || strings.ContainsAny(got, "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏│") {
		t.Errorf("stale lines:\n%s", got)
	}
}
