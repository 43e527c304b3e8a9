//go:build unix

package store_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// A process that writes under load is killed 50 times, at seeded moments.
// After each kill every acknowledged write is there, and every transaction is
// whole.
func TestKilledProcessesLoseNothingAcknowledged(t *testing.T) {
	const kills = 50
	seed := uint64(20261124)
	if s := os.Getenv("STORE_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("seed %d (STORE_TEST_SEED sets another)", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	path := filepath.Join(t.TempDir(), "db")
	total := 0
	for run := range kills {
		acknowledged := killOnce(t, path, run, rng.IntN(120), time.Duration(rng.IntN(1500))*time.Microsecond)
		total += len(acknowledged)
		verifyRun(t, path, run, acknowledged)
		if t.Failed() {
			t.Fatalf("after kill %d", run)
		}
	}
	t.Logf("%d acknowledged transactions survived %d kills", total, kills)
}

type ack struct{ worker, n int }

// killOnce starts the child, kills it a moment after its after-th
// acknowledgement, and returns all acknowledgements that reached us.
func killOnce(t *testing.T, path string, run, after int, moment time.Duration) (acks []ack) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"=load", childPath+"="+path, childRun+"="+strconv.Itoa(run))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer hang.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var a ack
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &a.worker, &a.n); err != nil {
			t.Fatalf("acknowledgement %q: %v", lines.Text(), err)
		}
		acks = append(acks, a)
		if len(acks) == after+1 {
			time.AfterFunc(moment, func() { cmd.Process.Kill() })
		}
	}
	cmd.Wait()
	if len(acks) == 0 || stderr.Len() > 0 {
		t.Fatalf("run %d: %d acknowledgements, %s", run, len(acks), stderr.String())
	}
	return acks
}

func verifyRun(t *testing.T, path string, run int, acknowledged []ack) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	parts := map[ack]int{}
	err = s.Read(t.Context(), func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, `SELECT worker, n, count(*) FROM l WHERE run = ? GROUP BY worker, n`, &sqlitex.ExecOptions{
			Args: []any{run},
			ResultFunc: func(st *sqlite.Stmt) error {
				parts[ack{st.ColumnInt(0), st.ColumnInt(1)}] = st.ColumnInt(2)
				return nil
			},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acknowledged {
		if parts[a] == 0 {
			t.Errorf("run %d: acknowledged write %v is lost", run, a)
		}
	}
	for a, n := range parts {
		if n != 3 {
			t.Errorf("run %d: transaction %v has %d of 3 rows", run, a, n)
		}
	}
	if run%10 == 9 {
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
