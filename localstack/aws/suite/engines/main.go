// Command engines runs the conformance suites of DynamoDB and SQS, and the tests of the store, jobs and queue packages,
// on every implementation that is here: the embedded engines, the referees, and the endpoint that AWS_ENDPOINT_URL (or
// AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_SQS) names. It prints one table and fails unless
//
//   - the embedded engines pass every case, and every operation and error code that they can answer has one;
//   - each other implementation passes all but what its list of deviations names, and still deviates there.
//
// It runs from the repository's root, which holds the sources that it reads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite/referee"
)

func main() {
	referee.Main()
	require := flag.Bool("require-referees", false, "fail when a referee cannot be run")
	packages := flag.Bool("packages", true, "run the tests of the store, jobs and queue packages too")
	verbose := flag.Bool("v", false, "print each known deviation with its reason")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r := &run{require: *require, packages: *packages, verbose: *verbose}
	if err := r.all(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
		os.Exit(1)
	}
}

// run collects the table.
type run struct {
	require, packages, verbose bool

	rows     []row
	problems []string
	notes    []string
}

// row is one implementation's result of one suite.
type row struct {
	suite, engine               string
	passed, known, failed, left int
	why                         string // why it was not run
}

func (r *run) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *run) all(ctx context.Context) error {
	if err := r.embedded(ctx); err != nil {
		return err
	}
	r.referees(ctx)
	r.endpoints(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	r.print()
	if len(r.problems) > 0 {
		return fmt.Errorf("%d problems", len(r.problems))
	}
	return nil
}

func (r *run) print() {
	slices.SortStableFunc(r.rows, func(a, b row) int { return strings.Compare(a.suite, b.suite) })
	fmt.Printf("\n%-16s %-22s %7s %7s %7s %9s\n", "suite", "engine", "passed", "known", "failed", "not asked")
	passed, failed, left := 0, 0, 0
	for _, w := range r.rows {
		if w.why != "" {
			fmt.Printf("%-16s %-22s %s\n", w.suite, w.engine, w.why)
			continue
		}
		fmt.Printf("%-16s %-22s %7d %7d %7d %9d\n", w.suite, w.engine, w.passed, w.known, w.failed, w.left)
		passed, failed, left = passed+w.passed, failed+w.failed, left+w.known+w.left
	}
	fmt.Println("known: deviations that stand in the reviewed list. not asked: what only the embedded engine can be told.")
	if r.verbose {
		fmt.Println()
		for _, n := range r.notes {
			fmt.Println(n)
		}
	}
	if len(r.problems) > 0 {
		fmt.Println()
		for _, p := range r.problems {
			fmt.Println("PROBLEM:", p)
		}
	}
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", passed, failed, left)
}

// absent notes an implementation that could not be run.
func (r *run) absent(suite, engine string, err error) {
	r.rows = append(r.rows, row{suite: suite, engine: engine, why: err.Error()})
	if r.require || !errors.Is(err, referee.ErrMissing) {
		r.problem("%s on %s: %v", suite, engine, err)
	}
}
