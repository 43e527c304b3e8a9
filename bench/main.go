// Command bench measures, in one run on one machine, what users feel: how fast the command answers, how soon a
// queued job runs and is seen to run, how many jobs a second the server carries, and what it costs in memory.
// Beside each figure it prints what the original Waypoint took on the same kind of machine and our target.
//
// It drives the built binaries and the public API, as a user would, with the polling intervals that AWS gets
// and with synchronous=FULL. It judges nothing: machines are noisy, so medians and ratios count.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one measured row.
type figure struct {
	row, original, target, ours string
}

type bench struct {
	bin, dir string
	figures  []figure
}

func main() {
	bin := flag.String("bin", "bin", "folder of the binaries")
	only := flag.String("run", "", "run only the sections whose name matches this expression")
	quick := flag.Bool("quick", false, "fewer repetitions, to try the bench itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *bin, *only, *quick); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, only string, quick bool) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	match, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	dir, err := os.MkdirTemp("", "wpb")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{bin: bin, dir: dir}
	n := repetitions(quick)
	for _, section := range []struct {
		name string
		run  func(context.Context, counts) error
	}{
		{"binaries", b.binaries},
		{"server", b.server},
		{"reads", b.reads},
		{"jobs", b.jobs},
		{"ceiling", b.ceiling},
		{"flood", b.flood},
		{"lists", b.lists},
		{"up", b.up},
		{"living", b.living},
		{"logs", b.logs},
		{"many", b.many},
		{"docker", b.docker},
		{"output", b.output},
	} {
		if !match.MatchString(section.name) {
			continue
		}
		begin := time.Now()
		fmt.Fprintf(os.Stderr, "measuring %s …", section.name)
		if err := section.run(ctx, n); err != nil {
			fmt.Fprintln(os.Stderr)
			return fmt.Errorf("%s: %w", section.name, err)
		}
		fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(begin).Seconds())
	}
	b.print()
	return nil
}

// counts are how often things are repeated.
type counts struct {
	processes, reads, latencies, jobs, ups int
	seconds                                time.Duration
	manyJobs                               []int
	destroyed                              int
}

func repetitions(quick bool) counts {
	if quick {
		return counts{processes: 3, reads: 100, latencies: 10, jobs: 30, ups: 2, seconds: time.Second, manyJobs: []int{0, 100}, destroyed: 200}
	}
	return counts{processes: 20, reads: 2000, latencies: 100, jobs: 400, ups: 7, seconds: 3 * time.Second, manyJobs: []int{0, 1000, 10000}, destroyed: 10_000}
}

func (b *bench) add(row, original, target, format string, args ...any) {
	b.figures = append(b.figures, figure{row, original, target, fmt.Sprintf(format, args...)})
}

func (b *bench) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ROW\tORIGINAL\tTARGET\tHERE")
	for _, f := range b.figures {
		_, _ = fmt.Fprintln(w, strings.Join([]string{f.row, f.original, f.target, f.ours}, "\t"))
	}
	_ = w.Flush()
}
