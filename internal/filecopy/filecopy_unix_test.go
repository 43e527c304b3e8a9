//go:build unix

package filecopy

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv("WAYPOINT_TEST_SLEEP") == "1" {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(7)
	}
	os.Exit(m.Run())
}

func TestAProgramThatRunsIsReplacedAndRunsOn(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	if err := File(self, filepath.Join(from, "server")); err != nil {
		t.Fatal(err)
	}
	write(t, from, map[string]string{"a": "1"})
	copied(t, from, to)
	cmd := exec.Command(filepath.Join(to, "server"))
	cmd.Env = append(os.Environ(), "WAYPOINT_TEST_SLEEP=1")
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write(t, from, map[string]string{"a": "2", "server": "another program"})
	copied(t, from, to)
	if got := listed(t, to); got != "a=2 server=another program" {
		t.Errorf("got %.100s", got)
	}
	_ = hold.Close()
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != 7 {
		t.Errorf("the program that ran ended with %v", err)
	}
}

func TestSocketsAndPipesAreLeftOutAndNamed(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	write(t, from, map[string]string{"a": "a", "run/": ""})
	if err := unix.Mkfifo(filepath.Join(from, "run/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(from) // a socket's path is short
	l, err := net.Listen("unix", "run/app.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := copied(t, from, to)
	if want := []string{"run/app.sock (a socket)", "run/pipe (a named pipe)"}; !slices.Equal(got.LeftOut, want) || got.Files != 1 {
		t.Errorf("left out %q of %+v", got.LeftOut, got)
	}
	if got := listed(t, to); got != "a=a run/" {
		t.Errorf("got %s", got)
	}
}

func TestAFileWithTwoNamesBecomesTwoFiles(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	write(t, from, map[string]string{"a": "same"})
	if err := os.Link(filepath.Join(from, "a"), filepath.Join(from, "b")); err != nil {
		t.Fatal(err)
	}
	copied(t, from, to)
	if err := os.WriteFile(filepath.Join(to, "a"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, to) + " " + listed(t, from); got != "a=changed b=same a=same b=same" {
		t.Errorf("got %s", got)
	}
}

// inOwnProcess runs the test that calls it again in a process of its own, with a limit of the size of files or without
// root's powers, for which modes mean nothing. It reports whether the caller is that process and has to go on.
func inOwnProcess(t *testing.T, prepare func(dir string), attr *syscall.SysProcAttr) (dir string, goOn bool) {
	t.Helper()
	const mark = "WAYPOINT_TEST_OWN_PROCESS"
	if dir := os.Getenv(mark); dir != "" {
		return dir, true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err = os.MkdirTemp("", "own-process-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Remove(dir) })
	program, temp := filepath.Join(dir, "test"), filepath.Join(dir, "tmp")
	if err := errors.Join(File(self, program), os.Chmod(program, 0o755), os.Chmod(dir, 0o755), os.Mkdir(temp, 0o700)); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(temp)
	}
	if attr != nil && attr.Credential != nil {
		if err := os.Chown(temp, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, mark+"="+temp)
	cmd.SysProcAttr = attr
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
	return "", false
}

func nobody() *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

func TestACopyThatFindsNoRoomLeavesWhatWasThere(t *testing.T) {
	if _, goOn := inOwnProcess(t, nil, nil); !goOn {
		return
	}
	from, parent := t.TempDir(), t.TempDir()
	existing, fresh := filepath.Join(parent, "existing"), filepath.Join(parent, "fresh")
	write(t, from, map[string]string{"a": "2", "z": strings.Repeat("z", 1<<16)})
	write(t, existing, map[string]string{"a": "1", "z": "1"})
	// Every write beyond 4 KB fails, as on a full disk.
	signal.Ignore(syscall.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 12, Max: 1 << 12}); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{existing, fresh} {
		if _, err := Tree(from, to, Options{}); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("copying to %s: %v", to, err)
		}
	}
	if err := Write(filepath.Join(existing, "a"), make([]byte, 1<<16), 0o600); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("writing: %v", err)
	}
	if got := listed(t, parent); got != "existing/ existing/a=1 existing/z=1" {
		t.Errorf("there is now %.200s", got)
	}
}

func TestReadOnlyDirectoriesAreFilledReplacedAndRemoved(t *testing.T) {
	if _, goOn := inOwnProcess(t, nil, nobody()); !goOn {
		return
	}
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	write(t, from, map[string]string{"shut/a": "1", "shut/inner/b": "1"})
	shut := []string{filepath.Join(from, "shut/inner"), filepath.Join(from, "shut"), from}
	modes := func(mode os.FileMode) {
		for _, dir := range shut {
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	modes(0o555)
	copied(t, from, to)
	slices.Reverse(shut)
	modes(0o755)
	write(t, from, map[string]string{"shut/a": "2"})
	slices.Reverse(shut)
	modes(0o555)
	defer func() { slices.Reverse(shut); modes(0o755) }()
	if err := os.Chmod(to, 0o755); err != nil { // its own mode is the operator's
		t.Fatal(err)
	}
	copied(t, from, to)
	if got := listed(t, to); got != "shut/ shut/a=2 shut/inner/ shut/inner/b=1" {
		t.Errorf("got %s", got)
	}
	for _, dir := range []string{"shut", "shut/inner"} {
		if got := modeOf(t, filepath.Join(to, dir)).Perm(); got != 0o555 {
			t.Errorf("%s has %v", dir, got)
		}
	}
	if err := Remove(to); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("it is still there")
	}
}

// A merge that fails in its middle is taken back: here a directory of the target is another user's.
func TestAMergeThatFailsIsTakenBack(t *testing.T) {
	if os.Getuid() != 0 && os.Getenv("WAYPOINT_TEST_OWN_PROCESS") == "" {
		t.Skip("needs root, to make a directory that is another user's")
	}
	dir, goOn := inOwnProcess(t, func(dir string) {
		write(t, dir, map[string]string{"to/a": "1", "to/b": "-> z", "to/d/x": "1", "to/gone": "1", "to/z": "1"})
		if err := os.Chown(filepath.Join(dir, "to"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}, nobody())
	if !goOn {
		return
	}
	from, to := t.TempDir(), filepath.Join(dir, "to")
	write(t, from, map[string]string{"a": "2", "b": "-> a", "c/new": "2", "d/x": "2", "gone/x": "2", "z": "2"})
	before := listed(t, to)
	if _, err := Tree(from, to, Options{}); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("got %v", err)
	}
	if got := listed(t, to); got != before {
		t.Errorf("it is now %s\nand was   %s", got, before)
	}
}
