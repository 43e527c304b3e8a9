package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/cli"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/shelltest"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// excused are the commands of the texts that this test does not run, each with the reason.
var excused = []struct{ pattern, why string }{
	{`^waypoint (X|%s)$`, "the program fills in the command"},
	{`^waypoint (plugin-proxy|runner-guard)$`, "a process that waypoint starts, not a command for people"},
	{`^waypoint (install|upgrade|uninstall) --platform=aws`, "requires an AWS account; the test of localstack/standin installs, upgrades and removes"},
	{`^waypoint login https://waypoint\.example\.com`, "the server is an example"},
	{`^waypoint install$`, "the text leaves out the platform, which is required"},
}

// plan is how a command line of the texts is run: in an order in which each finds what it is about.
type plan struct {
	pattern string
	// as replaces the line: with values for the words that stand for something, or an end for what does not end by itself.
	as string
	// until is what a command prints that runs until it is interrupted.
	until string
	// fresh runs it for a data directory of its own.
	fresh bool
	env   []string
	stdin string
}

// planned are the plans for lines that cannot be run as they stand; all others are run as they are, in the place of the
// empty pattern. What stands in braces is filled in from the server of the test, see the type reader.
var planned = []plan{
	{pattern: `^waypoint install --platform=local.*$`, as: "waypoint install --platform=local --listen 127.0.0.1:{PORT}"},
	{pattern: `^waypoint init$`},
	{pattern: `^waypoint (up|status) -workspace NAME$`, as: "waypoint $1 -workspace staging"},
	{pattern: `^waypoint up`},
	{pattern: `^waypoint config set -app web -sensitive`, stdin: "SECRET=hidden\n"},
	{pattern: `^waypoint config set -runner -sensitive`, stdin: "CREDENTIAL=hidden\n"},
	{pattern: `^waypoint config set (X|%s)$`, as: "waypoint config set -env-file -", stdin: "FROM_HINT=c\n"},
	{pattern: `^waypoint config set -env-file .env$`, as: "waypoint config set -env-file -", stdin: "export FROM_FILE='a b' # comment\n"},
	{pattern: `^waypoint config set`},
	{pattern: ``},
	{pattern: `^waypoint variable set -sensitive <`, stdin: "password=hidden\n"},
	{pattern: `^waypoint fmt - <`, stdin: exampleFile},
	{pattern: `^waypoint docs (NAME|PLUGIN)$`, as: "waypoint docs docker"},
	{pattern: `^waypoint (status|release) -app %s`, as: "waypoint $1 -app web"},
	{pattern: `^waypoint project inspect .*$`, as: "waypoint project inspect shop"},
	{pattern: `^waypoint open( -print)?$`, as: "waypoint open -app web -print"},
	{pattern: `^waypoint rollback v3$`, as: "waypoint rollback"}, // v3 is an example
	{pattern: `^waypoint logs(.*)$`, as: "waypoint logs$1 --follow=false"},
	{pattern: `^waypoint job (cancel|get-stream|inspect) .*$`, as: "waypoint job ${1} {JOB}"},
	{pattern: `^waypoint token create NAME(.*)`, as: "waypoint token create NAME$1"},
	{pattern: `^waypoint runner inspect ID$`, as: "waypoint runner inspect {STANDING}"},
	{pattern: `^waypoint token revoke .*$`, as: "waypoint token revoke {ID}"},
	{pattern: `^waypoint login( ADDRESS.*| %s)?$`, as: "waypoint login {ADDRESS} - --context other", stdin: "{TOKEN}\n"},
	{pattern: `^waypoint context create prod .*$`, as: "waypoint context create prod -server-addr {ADDRESS} -server-auth-token - -set-default=false", stdin: "{TOKEN}\n"},
	{pattern: `^waypoint context rename prod production$`},
	{pattern: `^waypoint context use (NAME|local)$`, as: "waypoint context use local"},
	{pattern: `^waypoint context delete .*$`, as: "waypoint context delete other"},
	{
		pattern: `^waypoint runner agent( -concurrency 2)?$`, as: "waypoint runner agent --name another$1", until: "registered",
		env: []string{"WAYPOINT_SERVER_ADDR={ADDRESS}", "WAYPOINT_SERVER_TOKEN={RUNNER}"},
	},
	{
		pattern: `^waypoint server engines(?: --dynamodb \S+ --sqs \S+)?(.*)`,
		as:      "waypoint server engines --dynamodb 127.0.0.1:0 --sqs 127.0.0.1:0$1", until: `"dynamodb"`,
	},
	{pattern: `^waypoint server run`, until: "The server is ready", fresh: true},
	{pattern: `^waypoint context set -workspace `},
	{pattern: `^waypoint (deployment )?destroy( -project %s -workspace %s| -app web -auto-approve| -workspace staging -auto-approve)?$`, as: "waypoint ${1}destroy -workspace default -auto-approve"},
	{pattern: `^waypoint project destroy( .*)?$`, as: "waypoint project destroy shop -skip-destroy-resources -auto-approve"},
	{pattern: `^waypoint (server )?upgrade --platform=local$`},
	{pattern: `^waypoint context clear$`},
	{pattern: `^waypoint (server )?uninstall --platform=local( --purge)?$`, as: "waypoint ${1}uninstall --platform=local$2 --yes"},
}

const exampleFile = `project = "shop"

variable "port" {
  type    = number
  default = 3000
}

variable "tag" {
  type    = string
  default = "latest"
}

variable "version" {
  type    = string
  default = "v1"
}

app "web" {
  build {
    use "null" {}
  }

  deploy {
    use "null" {
      values = { url = "https://web.example.com" }
    }
  }
}
`

// Every command line of the texts is run against a server of the test, in the order of planned, and must succeed. Names of
// commands, without the arguments that they require, are left to the test in package cli, which parses them.
func TestCommandsOfTheTextsRun(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an interrupt for another process cannot be sent on Windows")
	}
	w := newReader(t)
	lines, left := sortCommands(t)
	for _, l := range lines {
		w.run(t, l)
	}
	t.Logf("%d commands were run; excused: %d", len(lines), len(left))
	for _, line := range left {
		t.Log("excused:", line)
	}
	if len(lines) < 70 {
		t.Errorf("only %d commands were run", len(lines))
	}
}

// line is a command line of the texts with its plan.
type line struct {
	shelltest.Command
	plan
}

// sortCommands returns the different command lines in the order in which they are run, and those that are excused.
func sortCommands(t *testing.T) (lines []line, left []string) {
	t.Helper()
	place := slices.IndexFunc(planned, func(p plan) bool { return p.pattern == "" })
	byPlan := make([][]line, len(planned))
	seen := map[string]bool{}
	for _, c := range shelltest.Commands(t, filepath.Join("..", "..")) {
		if seen[c.Line] || isName(t, c.Line) {
			continue
		}
		seen[c.Line] = true
		if why := excuse(c.Line); why != "" {
			left = append(left, c.Line+": "+why)
			continue
		}
		at := slices.IndexFunc(planned, func(p plan) bool {
			return p.pattern != "" && regexp.MustCompile(p.pattern).MatchString(c.Line)
		})
		if at < 0 {
			at = place
		}
		byPlan[at] = append(byPlan[at], line{c, planned[at]})
	}
	return slices.Concat(byPlan...), left
}

// excuse returns why a command is not run; "" if it is.
func excuse(line string) string {
	if regexp.MustCompile(`--(print-policy|receipt)`).MatchString(line) {
		return "" // needs no account
	}
	for _, e := range excused {
		if regexp.MustCompile(e.pattern).MatchString(line) {
			return e.why
		}
	}
	return ""
}

// namesOnly are lines without arguments that these commands require one way or another.
var namesOnly = regexp.MustCompile(`^waypoint (config set( -runner)?|variable set( -sensitive)?|context delete)$`)

// isName reports whether a text names a command without the arguments that it requires, or leaves some out.
func isName(t *testing.T, line string) bool {
	t.Helper()
	args, whole := shelltest.CommandArgs(line)
	if !whole || namesOnly.MatchString(line) {
		return true
	}
	root := cli.NewRoot(shell.Deps{Env: shelltest.Env(t), Catalog: builtIn})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	args = shell.RewriteArgs(root, args)
	cmd, rest, err := root.Find(args)
	if err != nil || cmd.DisableFlagParsing || cmd.ParseFlags(rest) != nil {
		return false // what is wrong is shown when it runs
	}
	return len(cmd.Flags().Args()) == 0 && cmd.ValidateArgs(nil) != nil
}

// reader is somebody who tries what the texts say, in a project's directory and with a local server.
type reader struct {
	dir, data string
	env       []string
	values    map[string]string
	done      map[string]bool
}

func newReader(t *testing.T) *reader {
	t.Helper()
	data, err := os.MkdirTemp("", "wp") // a socket's path is at most 103 bytes long
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	r := &reader{dir: filepath.Join(home, "shop"), data: data, values: map[string]string{}, done: map[string]bool{}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Uninstall(ctx, data, true); err != nil {
			t.Log("stopping the server:", err, kill(data), os.RemoveAll(data))
		}
	})
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "WAYPOINT_") && !strings.HasPrefix(name, "AWS_") {
			r.env = append(r.env, v)
		}
	}
	r.env = append(r.env, "HOME="+home, "XDG_CONFIG_HOME="+home+"/config", "XDG_STATE_HOME="+home+"/state", server.EnvDir+"="+data)
	for name, content := range map[string]string{"waypoint.hcl": exampleFile} {
		if err := errors.Join(os.MkdirAll(r.dir, 0o700), os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// run runs one line and expects that it succeeds.
func (r *reader) run(t *testing.T, l line) {
	t.Helper()
	text := l.Line
	if l.as != "" {
		text = regexp.MustCompile(l.pattern).ReplaceAllString(text, l.as)
	}
	args, _ := shelltest.CommandArgs(r.fill(t, text))
	key := strings.Join(args, " ")
	if r.done[key] { // another text differs in what stands for something
		return
	}
	r.done[key] = true
	began := time.Now()
	out, err := r.command(t, l.plan, args)
	if err != nil {
		t.Errorf("%s: `%s`, run as waypoint %q: %v\n%s", l.Where, l.Line, args, err, out)
	}
	t.Logf("%s: waypoint %s (%s)", l.Where, strings.Join(args, " "), time.Since(began).Round(time.Millisecond))
}

var inBraces = regexp.MustCompile(`\{[A-Z]+\}`)

// fill replaces what stands in braces by a value of this server, which is learned when it is first needed.
func (r *reader) fill(t *testing.T, text string) string {
	t.Helper()
	return inBraces.ReplaceAllStringFunc(text, func(name string) string {
		if _, ok := r.values[name]; !ok {
			r.values[name] = r.learn(t, name)
		}
		return r.values[name]
	})
}

func (r *reader) learn(t *testing.T, name string) string {
	t.Helper()
	ask := func(args ...string) string {
		out, err := r.command(t, plan{}, args)
		if err != nil {
			t.Fatalf("waypoint %q: %v\n%s", args, err, out)
		}
		return out
	}
	switch name {
	case "{PORT}":
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return port
	case "{ADDRESS}":
		return "http://127.0.0.1:" + r.fill(t, "{PORT}")
	case "{TOKEN}":
		return regexp.MustCompile(`wp_\w+`).FindString(ask("token", "create", "friend", "-role", "admin"))
	case "{RUNNER}":
		return regexp.MustCompile(`wp_\w+`).FindString(ask("token", "create", "other", "-kind", "runner", "-all-projects"))
	case "{JOB}":
		return firstID(ask("job", "list", "-limit", "1", "-json"))
	case "{STANDING}":
		return firstID(ask("runner", "list", "-json"))
	case "{ID}":
		ask("token", "create", "guest")
		return regexp.MustCompile(`(?s)"id": ?"(\w+)"[^{}]*"name": ?"guest"`).FindStringSubmatch(ask("token", "list", "-json"))[1]
	}
	t.Fatalf("%s has no value", name)
	return ""
}

func firstID(json string) string {
	return regexp.MustCompile(`"id": ?"(\w+)"`).FindStringSubmatch(json)[1]
}

// command runs the program and returns what it prints. With until it is interrupted once it has printed that.
func (r *reader) command(t *testing.T, p plan, args []string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "waypoint", args...)
	var out output
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.dir, r.env, &out, &out
	cmd.Stdin = strings.NewReader(r.fill(t, p.stdin))
	if p.fresh {
		cmd.Env = append(slices.Clone(r.env), server.EnvDir+"="+t.TempDir())
	}
	for _, v := range p.env {
		cmd.Env = append(slices.Clone(cmd.Env), r.fill(t, v))
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return out.String(), err
		case <-time.After(10 * time.Millisecond):
			if p.until != "" && strings.Contains(out.String(), p.until) {
				p.until = ""
				_ = cmd.Process.Signal(os.Interrupt)
			}
		}
	}
}

// output is a buffer that is read while a process writes to it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
