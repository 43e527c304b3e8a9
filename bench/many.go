package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// manyApps is how many apps the project has.
const manyApps = 10

const manyHCL = `
app "app%[1]d" {
  build {
    use "process" {
      path = "app%[1]d"
    }
  }
  deploy {
    use "process" {
      command = ["./hello"]
    }
  }
}
`

// many measures an `up` of several apps of which none has changed, and of which one has, beside an `up` of that one alone.
func (b *bench) many(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "many")
	if err != nil {
		return err
	}
	defer s.stop()
	hcl := &strings.Builder{}
	hcl.WriteString("project = \"many\"\n")
	for i := range manyApps {
		_, _ = fmt.Fprintf(hcl, manyHCL, i)
	}
	dir, err := b.writeProject("many", hcl.String())
	if err != nil {
		return err
	}
	hello := filepath.Join(dir, "hello")
	if err := buildHello(ctx, hello); err != nil {
		return err
	}
	for i := range manyApps {
		app := filepath.Join(dir, "app"+strconv.Itoa(i))
		if err := errors.Join(os.MkdirAll(app, 0o755), os.Link(hello, filepath.Join(app, "hello"))); err != nil {
			return err
		}
	}
	err = b.manyRows(ctx, n, s, dir)
	_, _, _, destroyErr := s.waypoint(ctx, dir, "destroy", "-auto-approve")
	return errors.Join(err, destroyErr)
}

func (b *bench) manyRows(ctx context.Context, n counts, s *stack, dir string) error {
	if _, _, _, err := s.waypoint(ctx, dir, "up"); err != nil {
		return err
	}
	unchanged, err := s.times(ctx, n.ups, dir, "up")
	if err != nil {
		return err
	}
	var alone, among []time.Duration
	for i := range n.ups + 1 {
		for _, kind := range []struct {
			args []string
			took *[]time.Duration
		}{{[]string{"up", "-app", "app3"}, &alone}, {[]string{"up"}, &among}} {
			stamp := filepath.Join(dir, "app3", "stamp")
			if err := os.WriteFile(stamp, []byte(strings.Join(kind.args, " ")+strconv.Itoa(i)), 0o600); err != nil {
				return err
			}
			out, took, _, err := s.waypoint(ctx, dir, kind.args...)
			if err != nil {
				return err
			}
			if !strings.Contains(out, "Brought up app3") {
				return fmt.Errorf("the changed app was not deployed:\n%s", out)
			}
			if i > 0 { // the first warms up
				*kind.took = append(*kind.took, took)
			}
		}
	}
	b.add(fmt.Sprintf("up of %d unchanged apps, process, p50", manyApps), "not measured", "≤ 500 ms", "%.0f ms", quantile(unchanged, .5))
	one, ten := quantile(alone, .5), quantile(among, .5)
	b.add(fmt.Sprintf("up with one of %d apps changed / that app alone, p50", manyApps), "not measured", "≤ 1.3 ×",
		"%.0f / %.0f ms (%.2f ×)", ten, one, ten/one)
	return nil
}
