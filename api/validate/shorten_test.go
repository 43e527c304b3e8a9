package validate_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func TestShortenKeepsTextWholeOrSaysHowLongItWas(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("é", 3000), strings.Repeat("x", 100), "a\xff" + strings.Repeat("y", 100)} {
		got := validate.Shorten(text, 64)
		if len(text) <= 64 && got != text || len(got) > 66 || len(text) > 64 && (!utf8.ValidString(got) || !strings.HasSuffix(got, fmt.Sprintf("… (%d bytes)", len(text)))) {
			t.Errorf("%.20q became %q", text, got)
		}
	}
}

func TestAnyReportFits(t *testing.T) {
	for _, c := range []struct{ variables, bytes int }{{1, 10}, {1, 3 << 20}, {20, 60 << 10}, {500, 60 << 10}, {5_000, 1_000}} {
		in := &waypointv1.ReportJobRequest{Source: &waypointv1.SourceRef{Commit: "abc", CommitMessage: strings.Repeat("m", 1<<20)}}
		for n := range c.variables {
			in.VariablesUsed = append(in.VariablesUsed, &waypointv1.VariableUsed{Name: fmt.Sprintf("v%d", n), Value: strings.Repeat("x", c.bytes), Origin: strings.Repeat("o", 3_000)})
		}
		out := validate.ShortReport(in)
		if n := proto.Size(out); n > validate.MaxReport {
			t.Errorf("%d variables of %d bytes become %d", c.variables, c.bytes, n)
		}
		if got := out.GetVariablesUsed(); len(got) != min(c.variables, validate.MaxVariables) || got[0].GetName() != "v0" ||
			c.bytes < 64 && got[0].GetValue() != in.GetVariablesUsed()[0].GetValue() {
			t.Errorf("%d variables, the first is %.40v", len(got), got[0])
		}
	}
}

func TestAResultNamesRecordsWithoutWhatPluginsKeep(t *testing.T) {
	state := &waypointv1.PluginResult{StateJson: []byte(strings.Repeat("s", 1<<20)), TemplateJson: []byte(strings.Repeat("t", 1<<20))}
	meta := &waypointv1.RecordMeta{Id: "01", Sequence: 7, Plugin: "docker", Error: strings.Repeat("e", 1<<20), Labels: map[string]string{}}
	for n := range validate.MaxLabels {
		meta.Labels[fmt.Sprintf("%d%s", n, strings.Repeat("k", 250))] = strings.Repeat("v", 255)
	}
	out := validate.ShortResult(&waypointv1.JobResult{
		Build: &waypointv1.Build{Meta: meta, Result: state}, Artifact: &waypointv1.Artifact{Meta: meta, Result: state, BuildId: "b"},
		Deployment: &waypointv1.Deployment{Meta: meta, Result: state, Url: "http://d"}, Release: &waypointv1.Release{Meta: meta, Result: state, Url: "http://r"},
		DeployUrl: "http://d", ReleaseUrl: "http://r", Destroyed: 2, UpToDate: true,
	})
	if n := proto.Size(out); n > validate.MaxResult {
		t.Errorf("it has %d bytes", n)
	}
	if d := out.GetDeployment(); d.GetMeta().GetSequence() != 7 || d.GetMeta().GetPlugin() != "docker" || d.GetUrl() != "http://d" || d.GetResult() != nil ||
		out.GetReleaseUrl() != "http://r" || out.GetDestroyed() != 2 || !out.GetUpToDate() || out.GetArtifact().GetBuildId() != "b" {
		t.Errorf("%.300v", out)
	}
	if validate.ShortResult(nil) != nil {
		t.Error("no result became one")
	}
}

func TestAnyStatusReportFits(t *testing.T) {
	in := &waypointv1.StatusReport{DeploymentId: "d", HealthMessage: "fine"}
	for n := range 5_000 {
		in.Resources = append(in.Resources, &waypointv1.Resource{Name: fmt.Sprintf("pod-%d-%s", n, strings.Repeat("n", 100)), StateJson: []byte(strings.Repeat("s", 1_000))})
	}
	out := validate.ShortStatus(in)
	if n := proto.Size(out); n > validate.MaxStatusReport || len(out.GetResources()) == 0 || !strings.Contains(out.GetHealthMessage(), "more resources are not shown") {
		t.Errorf("%d bytes, %d resources, %q", n, len(out.GetResources()), out.GetHealthMessage())
	}
	if len(in.GetResources()) != 5_000 || in.GetResources()[0].GetStateJson() == nil {
		t.Error("the report that was given was changed")
	}
}

// What cannot be sent as it is, is sent as near to it as can be, wherever in a message it stands.
func TestTextsAreMadeValidWhereverTheyStand(t *testing.T) {
	bad, good := "caf\xe9", "caf\uFFFD"
	in := &waypointv1.CompleteJobRequest{
		Fence: &waypointv1.Fence{JobId: "j"}, Error: &waypointv1.JobError{Message: bad},
		Result: &waypointv1.JobResult{Deployment: &waypointv1.Deployment{
			Meta:      &waypointv1.RecordMeta{Labels: map[string]string{bad: bad, "ok": "é"}, Source: &waypointv1.SourceRef{CommitMessage: bad}},
			Resources: []*waypointv1.Resource{{Name: bad, StateJson: []byte(bad)}},
		}},
	}
	if _, err := proto.Marshal(in); err == nil {
		t.Fatal("it can be sent as it is")
	}
	out := validate.Text(in)
	if _, err := proto.Marshal(out); err != nil {
		t.Fatal(err)
	}
	d := out.GetResult().GetDeployment()
	if out.GetError().GetMessage() != good || len(d.GetMeta().GetLabels()) != 2 || d.GetMeta().GetLabels()[good] != good || d.GetMeta().GetLabels()["ok"] != "é" ||
		d.GetMeta().GetSource().GetCommitMessage() != good || d.GetResources()[0].GetName() != good || string(d.GetResources()[0].GetStateJson()) != bad {
		t.Errorf("%v", out)
	}
	if in.GetError().GetMessage() != bad {
		t.Error("the message that was given was changed")
	}
	if validate.Text(out) != out {
		t.Error("a message that is valid is copied")
	}
}
