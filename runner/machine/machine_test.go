package machine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestALockIsHeldByOneAndEndsWithIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a second holder: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := AwaitLock(ctx, path); !errors.Is(err, ErrLocked) || !IsLocked(err) {
		t.Errorf("waited in vain, and: %v", err)
	}
	first.Close()
	second, err := AwaitLock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	second.Remove()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestAProcessIsRecognisedBeyondItsNumber(t *testing.T) {
	if self := Self(); !self.Alive() || self.PID != os.Getpid() {
		t.Errorf("this process: %+v", self)
	}
	for name, p := range map[string]Process{
		"none":                  {},
		"another start":         {PID: os.Getpid(), Start: "another"},
		"a number without more": {PID: os.Getpid()},
	} {
		if p.Alive() {
			t.Errorf("%s is alive", name)
		}
		if p.Terminate() != nil || p.KillTree() != nil || p.TerminateGroup() != nil {
			t.Errorf("%s cannot be ended", name)
		}
	}
	if _, alive := Find(1 << 30); alive {
		t.Error("a process that cannot be")
	}
}

func TestATreeIsKilledWhole(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a Unix shell")
	}
	out := filepath.Join(t.TempDir(), "pids")
	// A grandchild in a group of its own, as an entrypoint's app is.
	cmd := exec.Command("sh", "-c", `sh -c 'set -m; sleep 600 & echo $! > "$0.tmp"; mv "$0.tmp" "$0"; wait' "$0" & wait`, out)
	cmd.SysProcAttr = WithParent()
	runtime.LockOSThread() // the parent-death signal follows the thread
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	parent, _ := Find(cmd.Process.Pid)
	var child Process
	for end := time.Now().Add(2 * time.Minute); child.PID == 0 && time.Now().Before(end); time.Sleep(poll) {
		if b, err := os.ReadFile(out); err == nil {
			pid := 0
			for _, c := range b {
				if c >= '0' && c <= '9' {
					pid = pid*10 + int(c-'0')
				}
			}
			child, _ = Find(pid)
		}
	}
	if !child.Alive() {
		t.Fatal("the grandchild never started")
	}
	if err := parent.KillTree(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// The parent is a zombie until it is waited for: it does not count as alive.
	if parent.AwaitEnd(ctx) != nil || child.AwaitEnd(ctx) != nil {
		t.Errorf("alive: parent %v, grandchild %v", parent.Alive(), child.Alive())
	}
	_ = cmd.Wait()
}

func TestFilesAreReplacedWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	var got map[string]int
	if ok, err := ReadJSON(path, &got); ok || err != nil {
		t.Errorf("a file that is not there: %v %v", ok, err)
	}
	for n := range 3 {
		if err := WriteJSON(path, map[string]int{"n": n}); err != nil {
			t.Fatal(err)
		}
		if ok, err := ReadJSON(path, &got); !ok || err != nil || got["n"] != n {
			t.Errorf("read %v %v %v", got, ok, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadJSON(path, &got); err == nil {
		t.Error("damage is not noticed")
	}
}
