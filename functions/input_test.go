package functions_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func input(name, value, workspace string) *waypointv1.ConfigVariable {
	return &waypointv1.ConfigVariable{Name: name, Value: value, Scope: &waypointv1.ConfigScope{
		Level: waypointv1.ConfigScope_LEVEL_PROJECT, Project: "shop", Workspace: workspace, Input: true,
	}}
}

func secretInput(name, value string) *waypointv1.ConfigVariable {
	v := input(name, value, "")
	v.Sensitive = true
	return v
}

func TestInputVariablesAreOfAProjectAndOfAWorkspace(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	before := c.set(t, appVar("region", "of the app")).GetVersion()
	after := c.set(t, input("region", "eu", ""), input("region", "us", "production"), input("Region", "another", ""), input("empty", "", "")).GetVersion()
	if after != before {
		t.Errorf("input variables made apps look for configuration: version %d became %d", before, after)
	}
	for _, at := range []struct {
		in   *waypointv1.GetConfigRequest
		want string
	}{
		{&waypointv1.GetConfigRequest{Project: "shop", Input: true, Workspace: "production"}, "Region=another empty= region=us"},
		{&waypointv1.GetConfigRequest{Project: "shop", Input: true, Workspace: "default"}, "Region=another empty= region=eu"},
		{&waypointv1.GetConfigRequest{Project: "shop", Input: true, Workspace: "default", Prefix: "Re"}, "Region=another"},
		{&waypointv1.GetConfigRequest{Project: "shop", App: "web"}, "region=of the app"},
		{&waypointv1.GetConfigRequest{Project: "shop"}, "region=of the app"},
	} {
		if got := c.get(t, at.in); got != at.want {
			t.Errorf("%v: %q, not %q", at.in, got, at.want)
		}
	}
	all := strings.Fields(c.get(t, &waypointv1.GetConfigRequest{Project: "shop", Input: true}))
	if len(all) != 4 {
		t.Errorf("the project has %q", all)
	}
	del := must[waypointv1.DeleteConfigResponse](t)(c.configs.DeleteConfig(t.Context(), ask(&waypointv1.DeleteConfigRequest{
		Variables: []*waypointv1.ConfigVariable{input("empty", "", ""), input("region", "", "production"), input("none", "", "")},
	})))
	if got := c.get(t, &waypointv1.GetConfigRequest{Project: "shop", Input: true, Workspace: "production"}); got != "Region=another region=eu" || del.GetDeleted() != 2 {
		t.Errorf("after deleting %d: %q", del.GetDeleted(), got)
	}
}

func TestASensitiveInputVariableIsGivenToTheClaimingRunnerAlone(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	c.set(t, secretInput("password", "hunter2"), input("region", "eu", ""), input("region", "us", "production"))
	if got := c.get(t, &waypointv1.GetConfigRequest{Project: "shop", Input: true, Workspace: "default"}); got != "password= region=eu" {
		t.Error(got)
	}
	for _, item := range w.items(t, "C#shop") {
		if strings.Contains(fmt.Sprint(item), "hunter2") {
			t.Error("the table holds the value in clear")
		}
	}
	var got []string
	for _, v := range c.claim(t, noop()).GetServerVariables() {
		got = append(got, fmt.Sprintf("%s=%s %t %s", v.GetName(), v.GetValue(), v.GetSensitive(), v.GetSource()))
	}
	if want := "password=hunter2 true VARIABLE_SOURCE_SERVER, region=eu false VARIABLE_SOURCE_SERVER"; strings.Join(got, ", ") != want {
		t.Errorf("the runner was given %q", got)
	}
	if strings.Contains(w.log.String(), "hunter2") {
		t.Error("the log holds the value")
	}
}

func TestAnInputVariableThatMakesNoSenseIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	ofApp := input("a", "b", "")
	ofApp.Scope.Level, ofApp.Scope.App = waypointv1.ConfigScope_LEVEL_APP, "web"
	selected := input("a", "b", "")
	selected.Scope.LabelSelector = "x == y"
	file := input("a", "b", "")
	file.File = true
	for name, v := range map[string]*waypointv1.ConfigVariable{
		"a name that HCL cannot say": input("1a", "b", ""),
		"of an app":                  ofApp,
		"with a selector":            selected,
		"a file":                     file,
		"a workspace's bad name":     input("a", "b", "A B"),
		"too large":                  input("a", strings.Repeat("x", 64<<10+1), ""),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.configs.SetConfig(t.Context(), ask(&waypointv1.SetConfigRequest{Variables: []*waypointv1.ConfigVariable{v}}))
			if err == nil {
				t.Fatal("it was taken")
			}
		})
	}
	_, err := c.configs.GetConfig(t.Context(), ask(&waypointv1.GetConfigRequest{Project: "shop", App: "web", Input: true}))
	wantFault(t, err, fault.InvalidArgument)
}
