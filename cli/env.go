package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Env is a command's surroundings: streams, environment, clock. Commands reach the outside through it and
// through their client, never through package os.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	// Which of them are terminals.
	InTTY, OutTTY, ErrTTY bool
	// Columns of the terminal; 0: not a terminal, or unknown.
	Columns int
	// Lookup reads an environment variable.
	Lookup func(name string) (string, bool)
	// Environ lists the environment, "NAME=value"; only names that start with WP_VAR_ are read.
	Environ func() []string
	Now     func() time.Time
	// Dir is the working directory.
	Dir string
	// Executable is the path of this binary.
	Executable string
	// ReadSecret reads a line from the terminal without showing it.
	ReadSecret func() (string, error)
	// Interrupts tells each time that somebody wants the command to end (Ctrl-C, SIGTERM, SIGHUP).
	Interrupts <-chan os.Signal
	// Quit ends the process at once, for a second interrupt.
	Quit func(code int)
	// CommandMark is the mark of the command that this process runs in (guard.EnvMark), which is not passed on to what stays.
	CommandMark string
	// RestoreTerminal undoes what a prompt that was cut off did to the terminal; nil: there is nothing to undo.
	RestoreTerminal func()
}

func (e *Env) restoreTerminal() {
	if e.RestoreTerminal != nil {
		e.RestoreTerminal()
	}
}

// SystemEnv is the environment of this process. interrupts comes from signal.Notify.
func SystemEnv(interrupts <-chan os.Signal) (*Env, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the waypoint binary: %w", err)
	}
	e := &Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Lookup: os.LookupEnv, Environ: os.Environ, Now: time.Now, Dir: dir, Executable: exe,
		ReadSecret: func() (string, error) {
			b, err := term.ReadPassword(int(os.Stdin.Fd()))
			return string(b), err
		},
		Interrupts: interrupts,
		Quit:       os.Exit,
	}
	if state, err := term.GetState(int(os.Stdin.Fd())); err == nil {
		e.RestoreTerminal = func() { _ = term.Restore(int(os.Stdin.Fd()), state) }
	}
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			e.Columns = w
			break
		}
	}
	return e, nil
}

// get reads a variable; unset is empty.
func (e *Env) get(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// isSet says whether a variable holds something that means yes.
func (e *Env) isSet(name string) bool {
	switch strings.ToLower(e.get(name)) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}

// configDir is where contexts live: waypoint below $XDG_CONFIG_HOME (~/.config).
func (e *Env) configDir() (string, error) { return e.xdg("XDG_CONFIG_HOME", ".config") }

// stateDir is what this machine keeps for its runners: waypoint below $XDG_STATE_HOME (~/.local/state).
func (e *Env) stateDir() (string, error) {
	return e.xdg("XDG_STATE_HOME", filepath.Join(".local", "state"))
}

func (e *Env) xdg(name, below string) (string, error) {
	if dir := e.get(name); dir != "" {
		return filepath.Join(dir, "waypoint"), nil
	}
	home := e.get("HOME")
	if home == "" {
		home = e.get("USERPROFILE")
	}
	if home == "" {
		return "", problem("NO_HOME", "your home directory is unknown").withHint("Set HOME or %s.", name)
	}
	return filepath.Join(home, below, "waypoint"), nil
}

// outSetting and errSetting say how the two streams are shown.
func (sh *shell) outSetting() terminal.Setting {
	return terminal.Setting{TTY: sh.env.OutTTY, Plain: sh.plain(), Lookup: sh.env.Lookup}
}

func (sh *shell) errSetting() terminal.Setting {
	return terminal.Setting{TTY: sh.env.ErrTTY, Plain: sh.plain(), Lookup: sh.env.Lookup}
}

func (sh *shell) plain() bool { return sh.flags.plain || sh.env.isSet("WAYPOINT_PLAIN") }

// printf writes data to stdout. An error of writing is kept and ends the command with 1.
func (sh *shell) printf(format string, args ...any) {
	sh.write(terminal.CleanLines(fmt.Sprintf(format, args...), sh.outSetting().Color()))
}

// write writes data to stdout exactly as it is: what a program reads, not what a person looks at.
func (sh *shell) write(data string) {
	if _, err := io.WriteString(sh.env.Out, data); err != nil && sh.writeErr == nil {
		sh.writeErr = fmt.Errorf("writing the output: %w", err)
	}
}

// sayf writes progress to stderr. Where that cannot be written, there is nobody to tell.
func (sh *shell) sayf(format string, args ...any) {
	_, _ = io.WriteString(sh.env.Err, terminal.CleanLines(fmt.Sprintf(format, args...), sh.errSetting().Color()))
}

// warnf writes a warning to stderr.
func (sh *shell) warnf(format string, args ...any) {
	text := "Warning: " + fmt.Sprintf(format, args...)
	sh.sayf("%s\n", terminal.Paint(text, terminal.Warning, sh.errSetting().Color()))
}

// table prints a list to stdout, as wide as the terminal, or as wide as need be in a pipe.
func (sh *shell) table(t terminal.Table) {
	columns := 0
	if sh.env.OutTTY {
		columns = sh.env.Columns
	}
	if err := t.Write(sh.env.Out, columns, sh.outSetting().Color()); err != nil && sh.writeErr == nil {
		sh.writeErr = fmt.Errorf("writing the output: %w", err)
	}
}

// canAsk says whether there is somebody to answer a question.
func (sh *shell) canAsk() bool { return sh.env.InTTY && sh.env.ErrTTY }

// errNotConfirmed ends a command that somebody answered no to.
var errNotConfirmed = errors.New("nothing was changed")

// confirm asks a yes-or-no question on the terminal; an empty answer is fallback.
func (sh *shell) confirm(question string, fallback bool) (bool, error) {
	choices := "[y/N]"
	if fallback {
		choices = "[Y/n]"
	}
	sh.sayf("%s %s ", question, choices)
	answer, err := sh.readLine()
	if err != nil {
		return false, err
	}
	switch strings.ToLower(answer) {
	case "":
		return fallback, nil
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// mustConfirm asks before something is destroyed, unless approved. Where nobody can answer, it refuses.
func (sh *shell) mustConfirm(question string, approved, json bool) error {
	if approved {
		return nil
	}
	if json || !sh.canAsk() {
		return problem("NOT_CONFIRMED", "this needs a confirmation, and there is no terminal to ask on").
			withHint("Add --auto-approve (or --yes) if you are sure.")
	}
	ok, err := sh.confirm(question, false)
	if err != nil {
		return err
	}
	if !ok {
		return errNotConfirmed
	}
	return nil
}

func (sh *shell) readLine() (string, error) {
	if sh.reader == nil {
		sh.reader = bufio.NewReader(sh.env.In)
	}
	line, err := sh.readAnswer(func() (string, error) { return sh.reader.ReadString('\n') })
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", fmt.Errorf("reading the answer: %w", err) // an interrupt, too
	}
	return strings.TrimSpace(line), nil
}
