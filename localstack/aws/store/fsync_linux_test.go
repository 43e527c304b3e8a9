package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each acknowledgement follows a sync of what it acknowledges: a child makes
// writes under strace, and between its system calls every "acknowledged n"
// must come after a finished fdatasync or fsync of the write-ahead log, with no
// write to the log in between. The same check must fail when the store does
// not sync, or it would prove nothing.
func TestAcknowledgementFollowsTheSync(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("strace is needed to prove that acknowledgements follow a sync: apt-get install strace")
		}
		t.Skip("skipped: strace is not installed, so the order of system calls cannot be seen")
	}
	if out, err := exec.Command(strace, "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("strace cannot trace here: %v: %s", err, out)
		}
		t.Skipf("skipped: strace cannot trace here: %v", err)
	}
	t.Run("FULL", func(t *testing.T) {
		acks, violations := traceAcknowledgements(t, strace, "FULL")
		if acks != 20 || len(violations) > 0 {
			t.Fatalf("%d acknowledgements; not preceded by a sync: %v", acks, violations)
		}
	})
	t.Run("OFF is noticed", func(t *testing.T) {
		acks, violations := traceAcknowledgements(t, strace, "OFF")
		if acks != 20 || len(violations) == 0 {
			t.Fatalf("%d acknowledgements, %d violations: the check cannot tell that nothing was synced", acks, len(violations))
		}
	})
}

func traceAcknowledgements(t *testing.T, strace, synchronous string) (acks int, violations []string) {
	t.Helper()
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	cmd := exec.Command(strace, "-f", "-y", "-o", trace, "-e", "trace=write,pwrite64,writev,pwritev,fsync,fdatasync", os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"=acknowledge", childPath+"="+filepath.Join(dir, "db"), childSync+"="+synchronous)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return judge(t, bufio.NewScanner(f))
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>`)
)

// judge reads a trace. Calls of several threads may be interleaved: one that
// is "unfinished" takes effect when it is resumed, except that a write counts
// from its beginning.
func judge(t *testing.T, lines *bufio.Scanner) (acks int, violations []string) {
	t.Helper()
	wrote, synced := false, false // the log since the last acknowledgement
	pending := map[string]bool{}  // threads with an unfinished sync of the log
	for lines.Scan() {
		if m := resumedLine.FindStringSubmatch(lines.Text()); m != nil {
			if pending[m[1]] {
				delete(pending, m[1])
				synced = true
			}
			continue
		}
		m := callLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		thread, call, file, rest := m[1], m[2], m[4], m[5]
		isLog := strings.HasSuffix(file, "-wal")
		switch {
		case isLog && strings.Contains(call, "sync"):
			if strings.Contains(rest, "<unfinished") {
				pending[thread] = true
			} else {
				synced = true
			}
		case isLog:
			wrote, synced = true, false
		case strings.Contains(rest, `"acknowledged `):
			if !wrote || !synced {
				violations = append(violations, fmt.Sprintf("acknowledgement %d (log written: %v, synced: %v)", acks, wrote, synced))
			}
			acks++
			wrote, synced = false, false
		}
	}
	return acks, violations
}
