package operation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

func TestWhereAnOperationRuns(t *testing.T) {
	yes, no := boolFlag{set: true, value: true}, boolFlag{set: true}
	for _, c := range []struct {
		name   string
		facts  facts
		remote bool
		reason fault.Reason
	}{
		{"nothing set up: here", facts{}, false, ""},
		{"enabled, a source and a runner: remote", facts{remoteEnabled: true, hasSource: true, standing: true}, true, ""},
		{"not enabled: here", facts{hasSource: true, standing: true}, false, ""},
		{"no source: here", facts{remoteEnabled: true, standing: true}, false, ""},
		{"no runner: here", facts{remoteEnabled: true, hasSource: true}, false, ""},
		{"-local wins", facts{flag: yes, remoteEnabled: true, hasSource: true, standing: true}, false, ""},
		{"-local=false wins, and waits for a runner", facts{flag: no, hasSource: true}, true, ""},
		{"-local=false without a source is refused", facts{flag: no}, false, "NO_DATA_SOURCE"},
		{"another project: remote", facts{foreign: true, hasSource: true}, true, ""},
		{"another project without a source is refused", facts{foreign: true}, false, "NO_DATA_SOURCE"},
		{"another project with -local is refused", facts{foreign: true, hasSource: true, flag: yes}, false, "NO_LOCAL_SOURCE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := place(c.facts)
			if c.reason != "" {
				if !problem.IsReason(err, c.reason) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || got.remote != c.remote {
				t.Errorf("got remote=%t, %v", got.remote, err)
			}
		})
	}
}

func TestOfVariablesTheLastValueCounts(t *testing.T) {
	got, err := toVariables([]config.VarInput{
		{Name: "a", Value: "env", Source: config.SourceEnv}, {Name: "b", Value: "x", Source: config.SourceFlag},
		{Name: "a", Value: "flag", Source: config.SourceFlag}, {Name: "c", Value: "y", Source: config.SourceFlag},
	}, map[string]bool{"a": false, "b": true})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range got {
		lines = append(lines, fmt.Sprintf("%s=%s sensitive=%t", v.GetName(), v.GetValue(), v.GetSensitive()))
	}
	want := "a=flag sensitive=false; b=x sensitive=true; c=y sensitive=true" // c is not declared here: nobody knows
	if s := strings.Join(lines, "; "); s != want {
		t.Errorf("got %s", s)
	}
}
