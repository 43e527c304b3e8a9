package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const logsHCL = `project = "logs"

app "web" {
  build {
    use "process" {
      path = "bin"
    }
  }
  deploy {
    use "process" {
      command = ["./hello"]
    }
  }
}
`

// logsBound is how long a line is waited for.
const logsBound = 20 * time.Second

// logs measures how soon after an `up` the first line of the app can be read, by people who type `waypoint logs` again and
// again, with the process plugin.
func (b *bench) logs(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "logs")
	if err != nil {
		return err
	}
	defer s.stop()
	dir, err := b.writeProject("logs", logsHCL)
	if err != nil {
		return err
	}
	if err := buildHello(ctx, filepath.Join(dir, "bin", "hello")); err != nil {
		return err
	}
	waits, err := s.firstLines(ctx, dir, n.processes)
	_, _, _, destroyErr := s.waypoint(ctx, dir, "destroy", "-auto-approve")
	if err = errors.Join(err, destroyErr); err != nil {
		return err
	}
	b.add("first log line after up, process, p50 / p95", "not measured", "≤ 2,000 ms (p95)", "%.0f / %.0f ms", quantile(waits, .5), quantile(waits, .95))
	return nil
}

// firstLines brings the app up so many times and returns how long after each `up` its first line could be read.
func (s *stack) firstLines(ctx context.Context, dir string, count int) (waits []time.Duration, err error) {
	for i := range count {
		if _, _, _, err := s.waypoint(ctx, dir, "up", "-plain", "-force"); err != nil {
			return nil, err
		}
		source := fmt.Sprintf(" v%d/", i+1)
		for began := time.Now(); ; {
			out, _, _, err := s.waypoint(ctx, dir, "logs", "-follow=false")
			if err != nil {
				return nil, err
			}
			if strings.Contains(out, source) && strings.Contains(out, "listens on port") {
				waits = append(waits, time.Since(began))
				break
			}
			if time.Since(began) > logsBound {
				return nil, fmt.Errorf("after %s the first line of v%d cannot be read: %s", logsBound, i+1, out)
			}
		}
	}
	return waits, nil
}

// buildHello builds examples/hello; the bench runs in the repository's root.
func buildHello(ctx context.Context, to string, environ ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-o", to, ".")
	cmd.Dir, cmd.Env = filepath.Join("examples", "hello"), append(append(os.Environ(), "CGO_ENABLED=0"), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building examples/hello: %w\n%s", err, out)
	}
	return nil
}
