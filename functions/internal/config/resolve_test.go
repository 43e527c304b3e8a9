package config

import (
	"strings"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/selector"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// variable reads "level workspace selector runner name=value"; "-" is empty.
func variable(t *testing.T, s string) Variable {
	t.Helper()
	f := strings.SplitN(s, " ", 5)
	if len(f) != 5 {
		t.Fatalf("bad variable %q", s)
	}
	for i := range f {
		if f[i] == "-" {
			f[i] = ""
		}
	}
	levels := map[string]waypointv1.ConfigScope_Level{"global": levelGlobal, "project": levelProject, "app": levelApp}
	name, value, _ := strings.Cut(f[4], "=")
	scope := &waypointv1.ConfigScope{Level: levels[f[0]], Workspace: f[1], LabelSelector: strings.ReplaceAll(f[2], "_", " ")}
	switch f[3] {
	case "":
	case "any":
		scope.Runner = true
	default:
		scope.Runner, scope.RunnerId = true, f[3]
	}
	return Variable{ConfigVariable: &waypointv1.ConfigVariable{Name: name, Value: value, Scope: scope}}
}

func TestResolveConfigFollowsWaypointsOrder(t *testing.T) {
	app := Target{Workspace: "prod", Labels: map[string]string{"env": "eu", "tier": "web"}}
	tests := []struct {
		name   string
		target Target
		in     []string
		want   string
	}{
		{"the app's wins over the project's and the global one", app,
			[]string{"app - - - A=3", "global - - - A=1", "project - - - A=2"}, "A=3"},
		{"names that do not meet are merged", app,
			[]string{"global - - - A=1", "project - - - B=2", "app - - - C=3"}, "A=1 B=2 C=3"},
		{"names meet whatever their case", app, []string{"global - - - path=1", "app - - - PATH=2"}, "PATH=2"},
		{"a workspace wins over none at the same level", app, []string{"app prod - - A=2", "app - - - A=1"}, "A=2"},
		{"a level wins over a workspace", app, []string{"global prod - - A=1", "app - - - A=2"}, "A=2"},
		{"another workspace takes no part", app, []string{"app dev - - A=2", "app - - - A=1"}, "A=1"},
		{"a selector that is true wins over none", app, []string{"app - env==eu - A=2", "app - - - A=1"}, "A=2"},
		{"a selector that is false takes no part", app, []string{"app - env==us - A=2", "app - - - A=1"}, "A=1"},
		{"a missing label makes a selector false", app, []string{"app - zone==a - A=2"}, ""},
		{"the longer selector wins", app, []string{"app - env==eu_and_tier==web - A=2", "app - env==eu - A=1"}, "A=2"},
		{"a workspace wins over a selector", app, []string{"app prod - - A=2", "app - env==eu - A=1"}, "A=2"},
		{"an app gets nothing that is for runners", app, []string{"app - - any A=2", "app - - r1 A=3"}, ""},
		{"a runner gets only what is for runners", Target{Runner: true, RunnerID: "r1"},
			[]string{"app - - - A=1", "global - - any B=2"}, "B=2"},
		{"what is for this runner wins over what is for any", Target{Runner: true, RunnerID: "r1"},
			[]string{"global - - r1 A=2", "global - - any A=1"}, "A=2"},
		{"what is for another runner takes no part", Target{Runner: true, RunnerID: "r1"},
			[]string{"global - - r2 A=2", "global - - any A=1"}, "A=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var in, reversed []Variable
			for _, s := range tt.in {
				v := variable(t, s)
				in, reversed = append(in, v), append([]Variable{v}, reversed...)
			}
			for _, order := range [][]Variable{in, reversed} {
				var got []string
				for _, v := range Resolve(order, tt.target, selector.Matches) {
					got = append(got, v.GetName()+"="+v.GetValue())
				}
				if s := strings.Join(got, " "); s != tt.want {
					t.Errorf("got %q, want %q", s, tt.want)
				}
			}
		})
	}
}

func TestVariablesOfDifferentTargetsStandApart(t *testing.T) {
	keys := map[store.Key]string{}
	for _, s := range []string{
		"global - - - A=", "global w - - A=", "global - x - A=", "global - - any A=", "global - - r1 A=", "global - - - B=",
		"project - - - A=", "app - - - A=",
	} {
		v := variable(t, s)
		v.GetScope().Project = "p"
		if v.GetScope().GetLevel() == levelApp {
			v.GetScope().App = "a"
		}
		key := configVarKey(v.GetScope(), v.GetName())
		if other, ok := keys[key]; ok {
			t.Errorf("%q and %q share a key", s, other)
		}
		keys[key] = s
	}
	scope := &waypointv1.ConfigScope{Level: levelProject, Project: "p"}
	if configVarKey(scope, "path") != configVarKey(scope, "PATH") {
		t.Error("a name in another case is another variable")
	}
}
