// Package startfail explains in a sentence why a program could not be started, and what to do. The kernel's own error is often
// about another file than the one that was named: "no such file or directory" for a script whose interpreter is missing,
// for a program whose loader is missing, and for a working directory that is not there.
//
// Every component that starts a user's program uses it. It uses the standard library and x/sys only, because the
// entrypoint links it.
package startfail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Start is what was tried.
type Start struct {
	// Program is the path or name, as it was given to os/exec.
	Program string
	// Dir is the working directory; empty: the caller's.
	Dir string
	// Env is the program's whole environment, "NAME=value"; nil: the caller's.
	Env []string
}

// Error is the reason why a program could not be started. It wraps the system's error.
type Error struct {
	// Program as it was given.
	Program string
	// Reason is a sentence without its full stop.
	Reason string
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("cannot start %s: %s", e.Program, e.Reason) }
func (e *Error) Unwrap() error { return e.Err }

// Explain turns an error of os/exec (Cmd.Start or LookPath) into an *Error. nil stays nil.
func Explain(s Start, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &Error{Program: s.Program, Reason: s.reason(err), Err: err}
}

// CheckDir reports a working directory that is not there or cannot be entered; empty is the caller's own.
func CheckDir(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s", dir)
	case err != nil:
		return fmt.Errorf("the directory %s cannot be entered: %w", dir, bare(err))
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !mayExecute(dir):
		return fmt.Errorf("this user may not enter the directory %s", dir)
	}
	return nil
}

// path is where the system looked for the program.
func (s Start) path() string {
	if s.Dir != "" && !filepath.IsAbs(s.Program) {
		return filepath.Join(s.Dir, s.Program)
	}
	return s.Program
}

func (s Start) reason(err error) string {
	if dirErr := CheckDir(s.Dir); dirErr != nil {
		return dirErr.Error()
	}
	switch {
	case errors.Is(err, exec.ErrNotFound) && !strings.ContainsAny(s.Program, `/\`):
		return "there is no such program in PATH" + s.besideHint()
	case errors.Is(err, exec.ErrDot):
		return fmt.Sprintf("it was found in the working directory only: write ./%s", s.Program)
	case errors.Is(err, syscall.E2BIG):
		return s.tooBig()
	case errors.Is(err, syscall.ENOEXEC):
		return foreign(s.path())
	case errors.Is(err, syscall.ETXTBSY):
		return "another process is writing the file"
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of its path is not a directory"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return missing(s.path())
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EISDIR):
		return denied(s.path())
	}
	return bare(err).Error()
}

// besideHint names a file of the working directory that has the program's name: PATH rarely has that directory.
func (s Start) besideHint() string {
	if info, err := os.Stat(filepath.Join(s.Dir, s.Program)); s.Program != "" && err == nil && info.Mode().IsRegular() {
		return fmt.Sprintf("; the working directory has a file of that name: write ./%s", s.Program)
	}
	return ""
}

// bare is what the system said, without the call and the path that os/exec puts before it.
func bare(err error) error {
	var path *fs.PathError
	var call *os.SyscallError
	var lookup *exec.Error
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &call):
		return call.Err
	case errors.As(err, &lookup):
		return lookup.Err
	}
	return err
}

// longestString is what Linux takes as one argument or variable: 32 pages.
const longestString = 128 << 10

func (s Start) tooBig() string {
	env := s.Env
	if env == nil {
		env = os.Environ()
	}
	total, longest := 0, ""
	for _, kv := range env {
		total += len(kv) + 1
		if len(kv) > len(longest) {
			longest = kv
		}
	}
	name, value, _ := strings.Cut(longest, "=")
	if len(longest) >= longestString {
		return fmt.Sprintf("the environment variable %s has %d bytes, and the system allows %d: put the value into a file", name, len(value), longestString-1)
	}
	return fmt.Sprintf("its arguments and environment are too large for the system: the environment has %d bytes, most of them in %s", total, name)
}

// missing explains that a file was not found: the program, or what it needs to run.
func missing(path string) string {
	if _, err := os.Stat(path); err != nil {
		if target, linkErr := os.Readlink(path); linkErr == nil {
			return fmt.Sprintf("it is a symbolic link to %s, which does not exist", target)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Sprintf("there is no file %s", path)
		}
		return bare(err).Error()
	}
	if script, ok := readScript(path); ok {
		return script.missing()
	}
	if program, ok := readELF(path); ok && program.loader != "" {
		if _, err := os.Stat(program.loader); err != nil {
			return fmt.Sprintf("it needs the loader %s, which does not exist here: it was built for another C library or system; "+
				"link it statically, or build it in the image or on the system where it runs", program.loader)
		}
	}
	return "a file that it requires to run does not exist"
}

func denied(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Sprintf("this user cannot access %s: %v", path, bare(err))
	case info.IsDir():
		return fmt.Sprintf("%s is a directory", path)
	case !info.Mode().IsRegular():
		return fmt.Sprintf("%s is not a regular file", path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Sprintf("the file is not executable: chmod +x %s", path)
	}
	if mountedNoexec(path) {
		return fmt.Sprintf("%s is on a file system that is mounted with noexec, from which nothing can be started: put it elsewhere", path)
	}
	if !mayExecute(path) {
		return fmt.Sprintf("this user may not execute %s, whose mode is %v", path, info.Mode())
	}
	if script, ok := readScript(path); ok && script.interpreter != "" {
		return fmt.Sprintf("its first line names the interpreter %s, which cannot be executed: %s", script.interpreter, denied(script.interpreter))
	}
	return "the system does not permit it"
}
