package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// What the tests of these packages take an endpoint from; see localstack/enginetest.
const (
	tableEndpoint = "WAYPOINT_TEST_DYNAMODB"
	queueEndpoint = "WAYPOINT_TEST_SQS"
)

// ownTests runs the tests of the packages that speak to the services, on an implementation. Subtests count for their
// parents: a test is one.
func (r *run) ownTests(ctx context.Context, engine, tables, queues string) {
	for _, p := range []struct{ name, path, variable, url string }{
		{"store package", "./functions/internal/store/...", tableEndpoint, tables},
		{"jobs package", "./functions/internal/jobs/...", tableEndpoint, tables},
		{"queue package", "./functions/internal/queue/...", queueEndpoint, queues},
	} {
		if p.url == "" && engine != "embedded" {
			continue
		}
		w := row{suite: p.name, engine: engine}
		cmd := exec.CommandContext(ctx, "go", "test", "-json", "-timeout", "10m", p.path)
		cmd.Env = append(os.Environ(), p.variable+"="+p.url)
		out, runErr := cmd.Output()
		said := map[string]*strings.Builder{}
		lines := bufio.NewScanner(bytes.NewReader(out))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e struct{ Action, Package, Test, Output string }
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.Test == "" {
				continue
			}
			top, _, sub := strings.Cut(e.Test, "/")
			switch {
			case e.Action == "output":
				if said[top] == nil {
					said[top] = new(strings.Builder)
				}
				said[top].WriteString(e.Output)
			case sub:
			case e.Action == "pass":
				w.passed++
			case e.Action == "fail":
				w.failed++
				r.problem("%s on %s: %s\n%s", p.name, engine, e.Test, said[top])
			case e.Action == "skip":
				w.left++
				r.notes = append(r.notes, fmt.Sprintf("%s: %s is left out: %s", engine, e.Test, strings.TrimSpace(said[top].String())))
			}
		}
		if runErr != nil && w.failed == 0 || w.passed == 0 {
			r.problem("%s on %s: the tests did not run: %v", p.name, engine, runErr)
		}
		r.rows = append(r.rows, w)
	}
}
