package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// functionProcesses makes every server of the suite run its functions as processes, as Lambda does, so that the suite
// also says how much memory they take: WAYPOINT_TEST_BOOTSTRAP=1. Without it one test does.
func functionProcesses() bool { return os.Getenv("WAYPOINT_TEST_BOOTSTRAP") != "" }

// functionMemoryMost is what a process of a function may take. Lambda gives the smallest 128 MB.
const functionMemoryMost = 64 << 20

// memory is the most that a process of each function took, in bytes.
type memory struct {
	mu    sync.Mutex
	peaks map[string]int64
	// seen counts the processes.
	seen map[int]bool
}

// watchFunctions looks at all processes of the functions' binary until ctx ends. The kernel keeps the peak, so that
// looking now and then is enough.
func watchFunctions(ctx context.Context) (m *memory, wait func()) {
	m = &memory{peaks: map[string]int64{}, seen: map[int]bool{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			m.look()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return m, func() { <-done }
}

func (m *memory) look() {
	bootstrap := append([]byte(filepath.Join(binaries, "bootstrap")), 0)
	entries, _ := os.ReadDir("/proc") // elsewhere than on Linux there is none, and nothing is measured
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		if line, _ := os.ReadFile(filepath.Join(dir, "cmdline")); !bytes.Equal(line, bootstrap) {
			continue
		}
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		status, _ := os.ReadFile(filepath.Join(dir, "status"))
		function := field(string(env), "\x00", "WAYPOINT_FUNCTION=")
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(field(string(status), "\n", "VmHWM:")), " kB"), 10, 64)
		if err != nil || function == "" {
			continue // it has just ended
		}
		m.mu.Lock()
		m.seen[pid] = true
		m.peaks[function] = max(m.peaks[function], kb<<10)
		m.mu.Unlock()
	}
}

// field is what follows a prefix in the part of a text that begins with it.
func field(text, separator, prefix string) string {
	for part := range strings.SplitSeq(text, separator) {
		if value, ok := strings.CutPrefix(part, prefix); ok {
			return value
		}
	}
	return ""
}

// report says what was seen, and returns false if a function took too much.
func (m *memory) report() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	good := true
	for _, function := range slices.Sorted(maps.Keys(m.peaks)) {
		verdict := "ok"
		if m.peaks[function] > functionMemoryMost {
			verdict, good = "TOO MUCH", false
		}
		fmt.Printf("%-5s peak memory %5.1f MB (limit %d, %d processes of all functions)  %s\n", function,
			float64(m.peaks[function])/(1<<20), functionMemoryMost>>20, len(m.seen), verdict)
	}
	return good
}
