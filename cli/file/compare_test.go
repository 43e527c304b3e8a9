package file

import (
	"strings"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func TestWhatUpDoesToWhatServes(t *testing.T) {
	p := &plan{Variables: []planVariable{
		{Name: "tag", Value: `"1.2"`}, {Name: "same", Value: "3"}, {Name: "secret", Sensitive: true}, {Name: "later", Value: "(known on the runner)"},
	}}
	used := []*waypointv1.VariableUsed{
		{Name: "tag", Value: `"1.1"`}, {Name: "same", Value: "3"}, {Name: "secret", Value: "(sensitive)", Sensitive: true}, {Name: "later", Value: "1"},
	}
	d := func(generation string) *waypointv1.Deployment {
		return &waypointv1.Deployment{Meta: &waypointv1.RecordMeta{Sequence: 6, Plugin: "docker"}, Generation: generation}
	}
	for name, test := range map[string]struct {
		change *planChange
		plugin string
		want   string
	}{
		"nothing serves":   {decide(nil, nil, p), "docker", "creates the first deployment: nothing serves in workspace prod"},
		"another value":    {decide(d(""), used, p), "docker", "replaces v6 (docker, deployed now)\nvariable tag: \"1.1\" → \"1.2\""},
		"no value":         {decide(d(""), nil, p), "docker", "replaces v6 (docker, deployed now), unless the build and the settings turn out to be the same"},
		"another platform": {decide(d(""), used, p), "process", "replaces v6 (docker, deployed now) with a deployment of process"},
		"in place":         {decide(d("g"), nil, p), "docker", "changes v6 (docker, deployed now) in place"},
	} {
		if got := strings.Join(test.change.lines("prod", test.plugin, "now"), "\n"); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.want)
		}
	}
}
