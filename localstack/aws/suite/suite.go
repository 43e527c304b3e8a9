// Package suite runs one list of cases on many implementations: ours, referees, LocalStack, AWS. A case says what AWS
// documents; it is written against T, so that the same case is a subtest under `go test` and a line of a table under
// `make test-engines`, where a referee's failure is a result and not the end.
//
// It is independent of the services: the lists are in localstack/aws/dynamodb/conformance and localstack/aws/sqs/conformance. Beside the
// standard library it imports nothing.
package suite

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// T is what a case may use of *testing.T.
type T interface {
	Helper()
	Name() string
	Context() context.Context
	Cleanup(f func())
	Log(args ...any)
	Logf(format string, args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Case is one fact. Its name is unique in its list.
type Case struct {
	Name string
	Run  func(T)
	// Own names why only an engine of ours can be asked: the case needs a fault on purpose, say. Empty: all can.
	Own string
}

// Outcome is what became of a case.
type Outcome struct {
	Name string
	// Failure is what the case said, empty when it passed.
	Failure string
}

// MaxCase is the longest that a case may take.
const MaxCase = 2 * time.Minute

// Run runs the cases, some at once, and gives an outcome for each, in their order.
func Run(ctx context.Context, cases []Case, atOnce int) []Outcome {
	out := make([]Outcome, len(cases))
	slots := make(chan struct{}, max(atOnce, 1))
	var group sync.WaitGroup
	for i, c := range cases {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			out[i] = Outcome{c.Name, runOne(ctx, c)}
		})
	}
	group.Wait()
	return out
}

func runOne(ctx context.Context, c Case) string {
	ctx, cancel := context.WithTimeout(ctx, MaxCase)
	defer cancel()
	r := &record{name: c.Name, ctx: ctx}
	done := make(chan struct{})
	go func() { // Fatal ends the goroutine, as in package testing
		defer close(done)
		defer r.end()
		c.Run(r)
	}()
	<-done
	return strings.Join(r.failures, "; ")
}

// Under runs the cases as subtests. Own cases are left out unless own is set.
func Under(t *testing.T, cases []Case, own bool, parallel bool) {
	t.Helper()
	for _, name := range Twice(cases) {
		t.Errorf("two cases are called %q", name)
	}
	for _, c := range cases {
		if c.Own != "" && !own {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if parallel {
				t.Parallel()
			}
			c.Run(t)
		})
	}
}

// Twice gives the names that more than one case has.
func Twice(cases []Case) (names []string) {
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.Name] {
			names = append(names, c.Name)
		}
		seen[c.Name] = true
	}
	return names
}

// record is a T that keeps what a case says.
type record struct {
	name string
	ctx  context.Context //nolint:containedctx // as testing.T's

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *record) Helper()                  {}
func (r *record) Name() string             { return r.name }
func (r *record) Context() context.Context { return r.ctx }
func (r *record) Log(...any)               {}
func (r *record) Logf(string, ...any)      {}

func (r *record) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *record) Error(args ...any) { r.fail(strings.TrimSuffix(fmt.Sprintln(args...), "\n")) }

func (r *record) Errorf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }

func (r *record) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *record) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *record) fail(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, why)
}

// end turns a panic into a failure and runs the cleanups, last first.
func (r *record) end() {
	if p := recover(); p != nil {
		r.fail(fmt.Sprint("panic: ", p))
	}
	for {
		r.mu.Lock()
		n := len(r.cleanups)
		if n == 0 {
			r.mu.Unlock()
			return
		}
		f := r.cleanups[n-1]
		r.cleanups = r.cleanups[:n-1]
		r.mu.Unlock()
		f()
	}
}
