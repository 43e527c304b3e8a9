package functions_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/internal/awscalls"
)

// recorded are the calls that the functions made in this package's tests.
var recorded = awscalls.New(os.Getenv(awscalls.Variable))

// callsFile is what the functions' roles are held to; `make record-calls` writes it.
const callsFile = "../infra/validate/calls.json"

func TestMain(m *testing.M) {
	code := m.Run()
	// Some tests alone do not make every call; and whoever records compares afterwards, with what other packages recorded.
	whole := code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" &&
		flag.Lookup("test.list").Value.String() == "" && os.Getenv(awscalls.Variable) == ""
	if whole {
		if problems := compareCalls(); len(problems) > 0 {
			fmt.Fprintf(os.Stderr, "FAIL: the functions' calls of AWS are not those of %s:\n  %s\nIf that is meant: make record-calls, "+
				"then make validate-infra, and give the roles in infra/template what they need, or take it away.\n", callsFile, strings.Join(problems, "\n  "))
			code = 1
		}
	}
	os.Exit(code)
}

// compareCalls holds what this package's tests made the functions do to callsFile: every call of a function must have
// been made here, and none besides.
func compareCalls() []string {
	var want map[string][]string
	raw, err := os.ReadFile(callsFile)
	if err == nil {
		err = json.Unmarshal(raw, &want)
	}
	if err != nil {
		return []string{err.Error()}
	}
	made, err := recorded.Calls()
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	got := map[string][]string{}
	for _, c := range made {
		call := c.Operation + " " + c.Resource
		got[c.Function] = append(got[c.Function], call)
		if !slices.Contains(want[c.Function], call) {
			problems = append(problems, c.Function+" made a call that is not listed: "+call)
		}
	}
	for function, list := range want {
		for _, call := range list {
			if !slices.Contains(got[function], call) {
				problems = append(problems, function+" never made a call that is listed: "+call)
			}
		}
	}
	slices.Sort(problems)
	return problems
}

// recordedFunctions assembles the functions so that their calls are recorded. Each is assembled for itself, as on Lambda,
// or one would find in the caches of another what it must ask for.
func recordedFunctions(cfg aws.Config, s functions.Settings) (*functions.Handlers, error) {
	cfg = recorded.Watch(cfg)
	var all [3]*functions.Handlers
	for i := range all {
		var err error
		if all[i], err = functions.New(cfg, s); err != nil {
			return nil, err
		}
	}
	return &functions.Handlers{
		API: awscalls.Named("api", all[0].API), Tail: awscalls.Named("tail", all[1].Tail), Sweep: awscalls.Named("sweep", all[2].Sweep),
	}, nil
}
