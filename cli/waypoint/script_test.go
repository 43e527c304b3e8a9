package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// The scripts in ../testdata/script read like a user's sessions. Each has its own home and, where it installs one, its
// own local server: this test binary, as `waypoint`, is CLI, server and runner.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"waypoint": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"gitrepo": gitRepo,
			"await":   await,
			"capture": capture,

			"killserver": killServer,
		},
	})
}

func setup(env *testscript.Env) error {
	// A socket's path is at most 103 bytes long, and $WORK may be longer.
	dir, err := os.MkdirTemp("", "wp")
	if err != nil {
		return err
	}
	// With a cache of its own a script that builds a Go program would compile the standard library first.
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"GOCACHE": strings.TrimSpace(string(cache)),
		"HOME":    filepath.Join(env.WorkDir, "home"), "XDG_CONFIG_HOME": filepath.Join(env.WorkDir, "xdg", "config"),
		"XDG_STATE_HOME": filepath.Join(env.WorkDir, "xdg", "state"), server.EnvDir: dir,
		"WAYPOINT_SERVER_ADDR": "", "WAYPOINT_SERVER_TOKEN": "", "WAYPOINT_CONTEXT": "", "WAYPOINT_WORKSPACE": "", "WAYPOINT_PLAIN": "",
		"NO_COLOR": "", "CLICOLOR_FORCE": "",
	} {
		env.Setenv(name, value)
	}
	env.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		// A script that failed can leave a runner with a job that does not end.
		if err := server.Uninstall(ctx, dir, true); err != nil {
			env.T().Log("stopping the script's server:", err, kill(dir), os.RemoveAll(dir))
		}
	})
	return nil
}

// gitRepo DIR commits all that is in DIR to a new repository there.
func gitRepo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gitrepo DIR")
	}
	dir := ts.MkAbs(args[0])
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"commit", "-q", "-m", "first"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_AUTHOR_DATE=@1 +0000", "GIT_COMMITTER_DATE=@1 +0000")
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}

// patience bounds every wait for what must happen: the machine may be busy.
const patience = 2 * time.Minute

// await FILE [TEXT] waits until FILE is there and, with a TEXT, has it.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await FILE [TEXT]")
	}
	var content []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		file, err := os.Stat(ts.MkAbs(args[0]))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			ts.Check(err)
		case len(args) == 1:
			return
		case file.Mode().IsRegular():
			if content, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(content), args[1]) {
				return
			}
		}
	}
	ts.Fatalf("waited in vain for %s; it has: %s", strings.Join(args, " with "), content)
}

// killserver kills the local server and its runner, as a power cut would.
func killServer(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(kill(ts.Getenv(server.EnvDir)))
}

// kill kills what runs on a local server's data, and waits until it is gone.
func kill(dir string) error {
	for _, name := range []string{"runner.pid", "server.pid"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil {
			return err
		}
		p, err := os.FindProcess(pid)
		if err != nil {
			return err
		}
		if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		// It is no child of ours, so nobody tells when it is gone; on Unix, signal 0 asks.
		for deadline := time.Now().Add(patience); p.Signal(syscall.Signal(0)) == nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d does not end", pid)
			}
		}
	}
	return nil
}

// capture NAME KEY sets $NAME to the first "KEY": "…" of the last command's JSON on stdout, or, without a KEY, to its
// first line.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: capture NAME [KEY]")
	}
	out := ts.ReadFile("stdout")
	if len(args) == 1 {
		line, _, _ := strings.Cut(out, "\n")
		ts.Setenv(args[0], line)
		return
	}
	for _, mark := range []string{`"` + args[1] + `": "`, `"` + args[1] + `":"`} {
		if _, after, ok := strings.Cut(out, mark); ok {
			value, _, _ := strings.Cut(after, `"`)
			ts.Setenv(args[0], value)
			return
		}
	}
	ts.Fatalf("no %q in %s", args[1], out)
}
