package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// A disk that is really full: the write is refused with ErrFull, nothing of it
// stays, and what was acknowledged before is whole.
func TestAFullDiskIsErrFullAndKeepsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("skipped: a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "db")
	s := open(t, path)
	value := strings.Repeat("x", 20_000)
	acknowledged := 0
	var err error
	for acknowledged < 1000 {
		if err = s.Write(t.Context(), put(fmt.Sprint(acknowledged), value)); err != nil {
			break
		}
		acknowledged++
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("after %d writes: %v, want ErrFull", acknowledged, err)
	}
	if err := s.Close(); err != nil {
		t.Logf("close on a full disk: %v", err)
	}
	again := open(t, path)
	if err := again.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range acknowledged {
		if get(t, again, fmt.Sprint(i)) != value {
			t.Fatalf("acknowledged write %d of %d is lost", i, acknowledged)
		}
	}
	if get(t, again, fmt.Sprint(acknowledged)) != "" {
		t.Fatal("the refused write stayed")
	}
}
