package proctree

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestProcStatIsReadWhateverTheNameIs(t *testing.T) {
	rest := strings.Repeat(" 0", 16) + " 4711 0"
	for line, want := range map[string]Stat{
		"7 (sh) Z 1 7" + rest:         {State: 'Z', Parent: 1, Start: 4711},
		"7 (a) Z 1) b) S 42 7" + rest: {State: 'S', Parent: 42, Start: 4711},
		"7 sh":                        {},
		"7 (sh) Z 1 7":                {},
	} {
		got, ok := parseStat([]byte(line))
		if ok != (want != Stat{}) || got != want {
			t.Errorf("%q: %+v %v", line, got, ok)
		}
	}
}

// What is left behind is a process that ignores SIGTERM, one in a session of its own, one that was stopped, and one that
// writes down that it was asked politely.
const leaves = `
trap '' TERM; (while :; do sleep 0.1; done) & trap - TERM
setsid sh -c 'exec sleep 1000' &
sleep 1000 & kill -STOP $!
(setsid sh -c "trap 'echo polite > asked; exit 0' TERM; echo up; while :; do sleep 0.05; done" &)
`

const actAsOwner = "WAYPOINT_TEST_PROCTREE"

// owner is a process with descendants of its own: the test's process has the go tool's.
func owner() {
	if err := Adopt(); err != nil {
		panic(err)
	}
	cmd := exec.Command("sh", "-c", leaves)
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		panic(err)
	}
	if got, err := unix.Wait4(cmd.Process.Pid, nil, 0, nil); err != nil || got != cmd.Process.Pid {
		panic(err)
	}
	n := End(context.Background(), cmd.Process.Pid, 5*time.Second) // so long because the polite one needs a turn on a busy machine
	os.Stdout.WriteString("ended " + strconv.Itoa(n) + ", left " + strconv.Itoa(len(remaining(0))) + "\n")
}

func TestMain(m *testing.M) {
	if os.Getenv(actAsOwner) == "1" {
		owner()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestEverythingThatWasLeftBehindIsEnded(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), actAsOwner+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), ", left 0\n") || strings.Contains(string(out), "ended 0") {
		t.Fatalf("%v\n%s", err, out)
	}
	if word, err := os.ReadFile(cmd.Dir + "/asked"); err != nil || string(word) != "polite\n" {
		t.Errorf("a daemon was not asked to end before it was killed: %q %v", word, err)
	}
}
