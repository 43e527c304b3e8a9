package shell

import (
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/problem"
)

func TestWhatAnErrorSays(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want Report
	}{
		{"our own, wrapped", fmt.Errorf("listing: %w", problem.New("X", "it broke").WithHint("Mend it.")), Report{"listing: it broke", "", "Mend it."}},
		{
			"the server's, over the wire",
			fmt.Errorf("queueing: %w", fault.Connect(fault.New(connect.CodeNotFound, fault.ProjectNotFound, "no project %q", "x").WithHint("Init it."))),
			Report{`no project "x"`, "PROJECT_NOT_FOUND", "Init it."},
		},
		{
			"the server's without a hint gets ours", fault.Connect(fault.New(connect.CodeNotFound, fault.JobNotFound, "no job")),
			Report{"no job", "JOB_NOT_FOUND", "`waypoint job list` shows the jobs."},
		},
		{
			"nobody answered", connect.NewError(connect.CodeUnavailable, errors.New("dial tcp: refused")),
			Report{"the server at ADDR cannot be reached: dial tcp: refused", "", "Check the address (`waypoint context inspect`) and that the server is running."},
		},
		{"any other", errors.New("disk on fire"), Report{"disk on fire", "", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Explain(c.err, &Server{Context: contexts.Context{Address: "ADDR"}}); got != c.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}
