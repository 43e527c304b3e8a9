package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// startListener starts the entrypoint around the listener: the test's binary is both.
func startListener(t *testing.T, addr string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, addr, []string{asListener + "=1"}, self)
	p.says("up\n")
	return p
}

func TestEverySignalThatCanBePassedOnReachesTheApp(t *testing.T) {
	_, addr := newServer(t)
	p := startListener(t, addr)
	kept := map[syscall.Signal]bool{
		syscall.SIGKILL: true, syscall.SIGSTOP: true, syscall.SIGCHLD: true, syscall.SIGURG: true, // Go's runtime
		syscall.SIGPROF: true, syscall.SIGPIPE: true, syscall.SIGXFSZ: true, 32: true, 33: true, syscall.SIGTERM: true,
	}
	for n := syscall.Signal(1); n <= 64; n++ {
		if !kept[n] {
			p.signal(n)
			p.says(fmt.Sprintf("got %d.\n", n))
		}
	}
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 7 {
		t.Errorf("exit code %d, want the app's 7", code)
	}
}

// stateOf is the letter in /proc/PID/stat.
func stateOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return string(after[:1])
}

// pidOf reads "pid N." from the output.
func (p *process) pidOf(word string) int {
	p.t.Helper()
	var pid int
	eventually(p.t, word+" is said", func() bool {
		_, after, ok := strings.Cut(p.out.String(), word+" ")
		number, _, whole := strings.Cut(after, ".")
		pid, _ = strconv.Atoi(number)
		return ok && whole && pid > 0
	})
	return pid
}

func TestAnAppThatIsStoppedGoesOnAndIsStillRestarted(t *testing.T) {
	s, addr := newServer(t)
	s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "one"}})
	p := start(t, addr, []string{required}, "sh", "-c", `echo "pid $$."; echo "run $V"; while :; do sleep 0.02; done`)
	pid := p.pidOf("pid")
	p.says("run one\n")
	p.signal(syscall.SIGTSTP)
	eventually(t, "the app is stopped", func() bool { return stateOf(pid) == "T" })
	p.signal(syscall.SIGCONT)
	eventually(t, "the app goes on", func() bool { return stateOf(pid) != "T" })
	p.signal(syscall.SIGTSTP)
	eventually(t, "the app is stopped again", func() bool { return stateOf(pid) == "T" })
	s.set(&waypointv1.AppConfig{Etag: "2", Env: map[string]string{"V": "two"}})
	p.says("run two\n")
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 143 {
		t.Errorf("exit code %d", code)
	}
}

// SIGQUIT is a thread dump for a JVM; other apps survive the other two. They still get what changes.
func TestAnAppThatLivesOnStillGetsItsConfiguration(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"QUIT": syscall.SIGQUIT, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, addr := newServer(t)
			s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "one"}})
			p := start(t, addr, []string{required}, "sh", "-c", `n=0; trap 'echo dump' QUIT INT; trap 'n=$((n+1)); echo term $n; [ $n = 1 ] && [ "$V" = one ] && [ "$KIND" = TERM ] || exit 0' TERM
KIND=`+name+`; echo "run $V"; while :; do sleep 0.02; done`)
			p.says("run one\n")
			p.signal(sig)
			p.says(map[string]string{"QUIT": "dump\n", "INT": "dump\n", "TERM": "term 1\n"}[name])
			s.set(&waypointv1.AppConfig{Etag: "2", Env: map[string]string{"V": "two"}})
			p.says("run two\n")
			p.signal(syscall.SIGTERM)
			if code := p.exit(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// While an app ends because somebody asked it to, no restart comes in the way: it is asked once, and stays ended.
func TestAChangeDoesNotDisturbAnAppThatIsEnding(t *testing.T) {
	s, addr := newServer(t)
	s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "one"}})
	p := start(t, addr, []string{required}, "sh", "-c", `trap 'echo ending; while [ ! -e go ]; do sleep 0.02; done; exit 5' TERM; echo "run $V"; while :; do sleep 0.02; done`)
	p.says("run one\n")
	p.signal(syscall.SIGTERM)
	p.says("ending\n")
	_, before := s.counts()
	s.set(&waypointv1.AppConfig{Etag: "2", Env: map[string]string{"V": "two"}})
	eventually(t, "it has asked for the change", func() bool { _, now := s.counts(); return now > before+3 })
	if err := os.WriteFile(filepath.Join(p.workDir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(); code != 5 || strings.Count(p.out.String(), "run") != 1 {
		t.Errorf("exit code %d, output %q", code, p.out)
	}
}

// A start script that leaves daemons behind, in sessions of their own: before the next start they are gone. On a busy
// machine a daemon may be killed before it has removed its lock, so the next start looks at the process that it names.
func TestWhatTheAppLeftBehindIsEndedBeforeARestartAndAtTheEnd(t *testing.T) {
	s, addr := newServer(t)
	s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "one"}})
	p := start(t, addr, []string{required}, "sh", "-c", `[ -s lock ] && ! grep -q '^State:.Z' "/proc/$(cat lock)/status" 2>/dev/null && [ -d "/proc/$(cat lock)" ] && { echo "a daemon is still there"; exit 9; }
rm -f lock
setsid sh -c 'trap "exit 0" TERM; echo $$ >lock; echo "daemon '$V' $$."; while :; do sleep 0.02; done' &
(setsid sleep 1000 &)
trap 'exit 3' TERM
while [ ! -s lock ]; do sleep 0.02; done; echo "run $V"; while :; do sleep 0.02; done`)
	p.says("run one\n")
	first := p.pidOf("daemon one")
	s.set(&waypointv1.AppConfig{Etag: "2", Env: map[string]string{"V": "two"}})
	p.says("run two\n")
	if state := stateOf(first); state != "" && state != "Z" {
		t.Errorf("the first daemon lives: %s", state)
	}
	second := p.pidOf("daemon two")
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 3 {
		t.Errorf("exit code %d", code)
	}
	if state := stateOf(second); state != "" && state != "Z" {
		t.Errorf("the second daemon outlives the entrypoint: %s", state)
	}
}

// The same where the entrypoint is PID 1, with a process that ignores TERM; what came into the container from outside, as
// docker exec does, is left alone.
func TestAsPidOneItEndsWhatTheAppLeftBehind(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("needs unshare(1) to be PID 1")
	}
	s, addr := newServer(t)
	s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "one"}})
	self, _ := os.Executable()
	// Zombies have ended; they are reaped in their own time.
	script := `if [ "$V" = two ]; then for s in /proc/[0-9]*/stat; do read -r l < $s; case "$l" in *") Z "*) ;; *) echo "$l";; esac; done; echo "me $$."; exit 0; fi
setsid sh -c 'trap "" TERM; exec sleep 1000' & (setsid sleep 1000 &) ; trap 'exit 3' TERM; echo "run $V"; while :; do sleep 0.05; done`
	cmd := exec.Command(unshare, "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child", self, "sh", "-c", script)
	cmd.Env = []string{
		asEntrypoint + "=1", "PATH=" + os.Getenv("PATH"), "WAYPOINT_LOG_LEVEL=debug", "WAYPOINT_SERVER_ADDR=" + addr,
		"WAYPOINT_ENTRYPOINT_TOKEN=" + token, "WAYPOINT_DEPLOYMENT_ID=" + deployment, required,
	}
	p := &process{t: t, cmd: cmd, out: &output{}, err: &output{}, waited: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = p.out, p.err
	if err := cmd.Start(); err != nil {
		t.Skipf("cannot be PID 1 here: %v", err)
	}
	go func() { p.waited <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	eventually(t, "the app runs, or cannot", func() bool {
		return strings.Contains(p.out.String(), "run one\n") || strings.Contains(p.err.String(), "unshare:")
	})
	if strings.Contains(p.err.String(), "unshare:") {
		t.Skipf("cannot be PID 1 here: %s", p.err)
	}
	s.set(&waypointv1.AppConfig{Etag: "2", Env: map[string]string{"V": "two"}})
	p.pidOf("me")
	if code := p.exit(); code != 0 || strings.Contains(p.out.String(), "sleep") {
		t.Errorf("exit code %d, left running:\n%s\n%s", code, p.out, p.err)
	}
}

// The output of the entrypoint goes to a full disk, or to nobody: the app notices nothing, and its lines are shipped.
func TestAnOutputThatCannotBeWrittenIsNotTheAppsProblem(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full")
	}
	defer full.Close()
	r, nobodyReads, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer nobodyReads.Close()
	_ = r.Close()
	for name, out := range map[string]*os.File{"a full disk": full, "a closed pipe": nobodyReads} {
		t.Run(name, func(t *testing.T) {
			s, addr := newServer(t)
			self, _ := os.Executable()
			script := `trap '' PIPE; i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo "line $i" || exit 9; done; echo err >&2 || exit 8; exit 4`
			cmd := exec.Command(self, "sh", "-c", script)
			cmd.Env = []string{
				asEntrypoint + "=1", "PATH=" + os.Getenv("PATH"), "WAYPOINT_LOG_LEVEL=debug", "WAYPOINT_SERVER_ADDR=" + addr,
				"WAYPOINT_ENTRYPOINT_TOKEN=" + token, "WAYPOINT_DEPLOYMENT_ID=" + deployment,
			}
			cmd.Stdout, cmd.Stderr = out, out
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 4 {
				t.Errorf("exit code %d (%v), want the app's 4", code, cmd.ProcessState)
			}
			lines, dropped := s.lines(false)
			var own int
			for _, l := range lines {
				if strings.HasPrefix(l, "The entrypoint cannot write the app's output") {
					own++
				}
			}
			if len(lines)-own != 2000 || dropped != 0 || own < 1 || own > 2 {
				t.Errorf("%d lines of the app and %d of the entrypoint's arrived, %d dropped", len(lines)-own, own, dropped)
			}
		})
	}
}

// A configuration file that cannot be written is reported to the server and stands in the logs; the app runs, and the
// report is taken back when it can be.
func TestAFileThatCannotBeWrittenIsReported(t *testing.T) {
	s, addr := newServer(t)
	files := map[string]string{"blocked": "secret-content", "fine": "1"}
	s.set(&waypointv1.AppConfig{Etag: "1", Files: files})
	p := start(t, addr, []string{required}, "sh", "-c", "echo up; exec sleep 600") // the working directory is new: blocked comes first
	p.says("up\n")
	if err := os.Remove(filepath.Join(p.workDir, "blocked")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(p.workDir, "blocked", "content"), 0o755); err != nil {
		t.Fatal(err)
	}
	files = map[string]string{"blocked": "other-secret", "fine": "1"}
	s.set(&waypointv1.AppConfig{Etag: "2", Files: files})
	eventually(t, "the problem is reported", func() bool {
		problems := s.problems()
		return len(problems) == 1 && strings.Contains(problems[0], "the configuration file blocked cannot be written")
	})
	eventually(t, "the problem is in the logs", func() bool {
		lines, _ := s.lines(false)
		return strings.Contains(strings.Join(lines, "\n"), "Problem: the configuration file blocked cannot be written")
	})
	if err := os.RemoveAll(filepath.Join(p.workDir, "blocked")); err != nil {
		t.Fatal(err)
	}
	s.set(&waypointv1.AppConfig{Etag: "3", Files: files}) // any change makes it try again
	eventually(t, "the report is taken back", func() bool { return len(s.problems()) == 0 })
	if info, err := os.Stat(filepath.Join(p.workDir, "blocked")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info, err)
	}
	if strings.Contains(p.err.String(), "secret") {
		t.Error("the content is in the log")
	}
}

func TestAFailedStartSaysWhy(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		code    int
		want    string
	}{
		"Windows line ends":         {"#!/bin/sh\r\necho hi\r\n", 0o755, 127, `its interpreter "/bin/sh\r" does not exist: the script has Windows line ends`},
		"Windows line ends and env": {"#!/usr/bin/env sh\r\necho hi\r\n", 0o755, 127, "the script has Windows line ends"},
		"no interpreter":            {"#!/opt/none/python\n", 0o755, 127, "its interpreter /opt/none/python does not exist here"},
		"no #! line":                {"echo hi\n", 0o755, 126, "it is a text file without a first line that names its interpreter"},
		"not executable":            {"#!/bin/sh\n", 0o644, 126, "the file is not executable: chmod +x"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			p := start(t, "", nil, path)
			if code := p.exit(); code != c.code || !strings.Contains(p.err.String(), c.want) {
				t.Errorf("exit code %d, stderr %s", code, p.err)
			}
		})
	}
}
