package shell

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/waypoint-serverless/waypoint/cli/problem"
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
	// Size asks the terminal for its columns and rows, which change when it is resized; 0: unknown. nil: not a terminal.
	Size func() (columns, rows int)
	// Lookup reads an environment variable.
	Lookup func(name string) (string, bool)
	// Environ lists the environment, "NAME=value". Commands read names that start with WP_VAR_; doctor finds the Docker
	// engine by it, and values that must not be in a report.
	Environ func() []string
	Now     func() time.Time
	// Dir is the working directory.
	Dir string
	// Executable is the path of this binary.
	Executable string
	// ReadSecret reads a line from the terminal without showing it.
	ReadSecret func() (string, error)
	// Interrupts receives a value for each signal that asks the command to end (Ctrl-C, SIGTERM, SIGHUP).
	Interrupts <-chan os.Signal
	// Quit ends the process at once, for a second interrupt.
	Quit func(code int)
	// CommandMark is the mark of the command that this process runs in (guard.EnvMark), which is not passed on to what
	// stays.
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
			e.Size = func() (columns, rows int) {
				columns, rows, _ = term.GetSize(int(f.Fd())) // 0 and 0 after an error: unknown
				return columns, rows
			}
			break
		}
	}
	return e, nil
}

// Get reads a variable; unset is empty.
func (e *Env) Get(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// IsSet reports whether a variable has a value that means yes.
func (e *Env) IsSet(name string) bool {
	switch strings.ToLower(e.Get(name)) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}

// configDir is where contexts live: waypoint below $XDG_CONFIG_HOME (~/.config).
func (e *Env) configDir() (string, error) { return e.xdg("XDG_CONFIG_HOME", ".config") }

// StateDir is what this machine keeps: waypoint below $XDG_STATE_HOME (~/.local/state).
func (e *Env) StateDir() (string, error) {
	return e.xdg("XDG_STATE_HOME", filepath.Join(".local", "state"))
}

// RunnersDir is what this machine's runners keep there.
func (e *Env) RunnersDir() (string, error) {
	dir, err := e.StateDir()
	return filepath.Join(dir, "runner"), err
}

func (e *Env) xdg(name, below string) (string, error) {
	if dir := e.Get(name); dir != "" {
		return filepath.Join(dir, "waypoint"), nil
	}
	home := e.Get("HOME")
	if home == "" {
		home = e.Get("USERPROFILE")
	}
	if home == "" {
		return "", problem.New("NO_HOME", "your home directory is unknown").WithHint("Set HOME or %s.", name)
	}
	return filepath.Join(home, below, "waypoint"), nil
}
