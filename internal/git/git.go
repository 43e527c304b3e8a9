// Package git finds the git program and asks repositories with it.
//
// A repository is either the user's own tree, in which all of git's configuration applies, or content that was fetched,
// in which nothing of the machine's configuration does: what it holds was written by others. The package only reads
// repositories; package runner/source fetches them.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Error is a failure in words for a person.
type Error struct {
	Message, Hint string
	Cause         error
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// What a repository can answer besides facts. Failures that are one of these wrap it.
var (
	ErrNoRepository = errors.New("not in a git repository")
	ErrNoCommit     = errors.New("the git repository has no commit yet")
	errNoWorkTree   = errors.New("the git repository has no work tree")
)

// The oldest git that is used: `git rev-parse --end-of-options` and the protections of fetched content are in it.
const oldestMajor, oldestMinor = 2, 30

// versionBound limits how long `git --version` may take: it reads nothing, so only a machine that is all but stopped needs
// longer.
const versionBound = 30 * time.Second

// programs are those that were found to be new enough, by path.
var programs struct {
	sync.Mutex
	found map[string]bool
}

// Program returns the path of a git that is new enough, or an *Error that says in one sentence what is missing. A good answer is
// kept.
func Program(ctx context.Context) (string, error) {
	path, err := find()
	if err != nil {
		return "", err
	}
	return path, check(ctx, path)
}

func find() (string, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return "", &Error{
			Message: "the git program is not installed on this machine",
			Hint:    fmt.Sprintf("Install git %d.%d or newer and make it reachable through PATH.", oldestMajor, oldestMinor),
		}
	}
	return path, nil
}

// check asks a git for its version, once.
func check(ctx context.Context, path string) error {
	programs.Lock()
	defer programs.Unlock()
	if programs.found[path] {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, versionBound)
	defer cancel()
	out, err := output(ctx, exec.CommandContext(ctx, path, "--version"), nil)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return &Error{Message: fmt.Sprintf("cannot run the git program %s", path), Cause: err}
	}
	if err := checkVersion(string(out)); err != nil {
		return err
	}
	if programs.found == nil {
		programs.found = map[string]bool{}
	}
	programs.found[path] = true
	return nil
}

var versionText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^git version (\d+)\.(\d+)`) })

func checkVersion(text string) error {
	m := versionText().FindStringSubmatch(text)
	if m == nil {
		return &Error{Message: fmt.Sprintf("the git program printed %.80q instead of its version", text)}
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major > oldestMajor || major == oldestMajor && minor >= oldestMinor {
		return nil
	}
	return &Error{
		Message: fmt.Sprintf("the git program on this machine is too old: it is %d.%d, and %d.%d or newer is required", major, minor, oldestMajor, oldestMinor),
		Hint:    "Upgrade git.",
	}
}

// Repo is the repository that holds a directory.
type Repo struct {
	Dir string
	// Fetched reports that the content was fetched: no configuration of the machine or its users applies.
	Fetched bool
}

// queryBound limits one question. The state of a large tree on a slow disk takes tens of seconds, and a filter or a monitor
// that hangs must not hang its caller for ever.
const queryBound = 2 * time.Minute

// Output runs a git command that only reads the repository, with input on its standard input, and returns what it printed.
func (r Repo) Output(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	if r.Fetched { // an old git does not protect from what is asked
		if err := check(ctx, path); err != nil {
			return nil, err
		}
	}
	version := make(chan error, 1)
	go func() { version <- check(ctx, path) }() // beside the question: the first costs a process
	out, err := r.ask(ctx, path, input, args)
	if old := <-version; old != nil {
		return nil, old
	}
	return out, err
}

func (r Repo) ask(ctx context.Context, path string, input []byte, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, queryBound, &Error{
		Message: fmt.Sprintf("git %s in %s did not finish within %s", args[0], r.Dir, queryBound),
	})
	defer cancel()
	// Reading must not take locks: somebody else may be at work in the tree.
	full := []string{"--no-optional-locks", "-C", r.Dir}
	env := ownEnvironment(os.Environ())
	if r.Fetched {
		full = append(full, "-c", "core.hooksPath="+os.DevNull, "-c", "core.fsmonitor=false")
		env = FetchedEnvironment(os.Environ(), nowhere)
	}
	cmd := exec.CommandContext(ctx, path, append(full, args...)...)
	cmd.Env = env
	if input != nil {
		cmd.Stdin = bytes.NewReader(input)
	}
	var stderr limited
	cmd.Stderr = &stderr
	out, err := output(ctx, cmd, &stderr)
	if err != nil && ctx.Err() == nil && !errors.Is(err, errTooMuch) {
		err = r.explain(args[0], stderr.String(), err)
	}
	return out, err
}

// errTooMuch is an answer of which only the beginning was kept.
var errTooMuch = errors.New("the output of git is too large")

// output runs a prepared command; when ctx ends its whole process group is killed.
func output(ctx context.Context, cmd *exec.Cmd, stderr *limited) ([]byte, error) {
	ownGroup(cmd)
	cmd.WaitDelay = 2 * time.Second // for what still holds the pipes after a kill
	stdout := limited{most: outputMost}
	cmd.Stdout = &stdout
	if stderr == nil {
		cmd.Stderr = &limited{}
	}
	err := watched(ctx, cmd)
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil && stdout.cut:
		err = errTooMuch
	}
	return stdout.Bytes(), err
}

// Watcher is told of one command, so that it ends with a caller that is killed.
type Watcher interface {
	// Environ is the environment that the command is given; nil stands for this process's.
	Environ(env []string) []string
	// Started gives the command's process, which leads a process group.
	Started(pid int)
	Ended()
}

type watchKey struct{}

// WithWatcher has each command that is run with the context watched; begin is called before it starts.
func WithWatcher(ctx context.Context, begin func() Watcher) context.Context {
	return context.WithValue(ctx, watchKey{}, begin)
}

func watched(ctx context.Context, cmd *exec.Cmd) error {
	begin, _ := ctx.Value(watchKey{}).(func() Watcher)
	if begin == nil {
		return cmd.Run()
	}
	w := begin()
	defer w.Ended()
	cmd.Env = w.Environ(cmd.Env)
	if err := cmd.Start(); err != nil {
		return err
	}
	w.Started(cmd.Process.Pid)
	return cmd.Wait()
}

// outputMost bounds what a question may answer: 64 MB are the names of some 800,000 files.
const outputMost = 64 << 20

// limited keeps the beginning of what is written to it.
type limited struct {
	bytes.Buffer
	most int
	// cut says that there was more.
	cut bool
}

func (l *limited) Write(p []byte) (int, error) {
	most := l.most
	if most == 0 {
		most = 64 << 10
	}
	if room := most - l.Len(); room < len(p) {
		l.cut = true
		l.Buffer.Write(p[:max(room, 0)])
	} else {
		l.Buffer.Write(p)
	}
	return len(p), nil
}

// explain words why git refused a question.
func (r Repo) explain(what, stderr string, err error) error {
	switch {
	case strings.Contains(stderr, "not a git repository"):
		return fmt.Errorf("%s is %w", r.Dir, ErrNoRepository)
	case strings.Contains(stderr, "must be run in a work tree"):
		return errNoWorkTree
	case strings.Contains(stderr, "bad revision 'HEAD'"), strings.Contains(stderr, "ambiguous argument 'HEAD'"):
		return ErrNoCommit
	}
	if unsafe := Ownership(stderr); unsafe != nil {
		return unsafe
	}
	return &Error{Message: fmt.Sprintf("git %s in %s failed", what, r.Dir), Cause: errors.New(Reason(stderr, err))}
}

var ownerText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:dubious ownership in repository at|unsafe repository \() ?'([^'\n]+)'`)
})

// Ownership returns the error for git's refusal to read a repository of another user, or nil if stderr is not that.
func Ownership(stderr string) *Error {
	m := ownerText().FindStringSubmatch(stderr)
	if m == nil {
		return nil
	}
	return &Error{
		Message: fmt.Sprintf("git refuses to read the repository at %s, because it belongs to another user", m[1]),
		Hint:    "If you trust it, run: git config --global --add safe.directory " + quoted(m[1]),
	}
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`).MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// reasonMost is how many lines of git's last words are shown.
const reasonMost = 4

// Reason is what git said at its end, in one line that is safe to print: a server's own words are among it.
func Reason(stderr string, err error) string {
	var lines []string
	for _, line := range strings.FieldsFunc(stderr, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.Map(printable, strings.ToValidUTF8(line, ""))
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "debug1:") || strings.HasPrefix(line, "hint:") {
			continue
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return err.Error()
	}
	text := strings.Join(lines[max(0, len(lines)-reasonMost):], "; ")
	const most = 600
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// printable drops what could move the cursor or turn the direction of writing.
func printable(r rune) rune {
	if strconv.IsPrint(r) {
		return r
	}
	if r == '\t' {
		return ' '
	}
	return -1
}

// InOneLine is an error with its hint in its text, for places that show no hints.
func InOneLine(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Hint != "" {
		return fmt.Errorf("%w. %s", err, e.Hint)
	}
	return err
}
