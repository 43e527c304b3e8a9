package validate

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// What a job reports of itself is stored in one item (DynamoDB takes 400 KB) and comes with every answer about the job. A job that
// did its work is not failed for a long report: the runner shortens what it sends, and the server what an older runner sends.
const (
	// MaxReport bounds the source and the variables that a job reports, MaxResult its result, and MaxStatusReport what it finds
	// out about a deployment: far under an item, and three of them under an answer.
	MaxReport       = 200 << 10
	MaxResult       = 100 << 10
	MaxStatusReport = 300 << 10
	// maxText bounds a message of a commit or an error in a record.
	maxText = 4 << 10
	// MaxRecord bounds a record, with what its plugin keeps in it: it is one item, and so refused if it has more.
	MaxRecord = 350 << 10
)

// Shorten cuts text that has more than most bytes, and says how long it was.
func Shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	note := fmt.Sprintf("… (%d bytes)", len(text))
	end := max(most-len(note), 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.ToValidUTF8(text[:end], "\uFFFD") + note
}

// ShortReport returns a report that fits MaxReport: long values of variables are cut, which are reported to be looked at. The
// values of sensitive ones are left out.
func ShortReport(in *waypointv1.ReportJobRequest) *waypointv1.ReportJobRequest {
	out := &waypointv1.ReportJobRequest{Fence: in.GetFence(), Source: shortSource(in.GetSource())}
	used := in.GetVariablesUsed()
	used = used[:min(len(used), MaxVariables)]
	// Each variable has its share; what short ones leave of theirs is not handed on, so that the same value is always cut alike.
	share := (MaxReport - 2*maxText) / max(len(used), 1)
	each := min(max(share-64, 64)/4, maxText)
	for _, v := range used {
		value := v.GetValue()
		if v.GetSensitive() {
			value = "(sensitive)"
		}
		out.VariablesUsed = append(out.VariablesUsed, &waypointv1.VariableUsed{
			Name: Shorten(v.GetName(), each), Value: Shorten(value, each), Type: Shorten(v.GetType(), each),
			Source: v.GetSource(), Origin: Shorten(v.GetOrigin(), each), Sensitive: v.GetSensitive(),
		})
	}
	return out
}

func shortSource(s *waypointv1.SourceRef) *waypointv1.SourceRef {
	if s == nil {
		return nil
	}
	out := proto.CloneOf(s)
	out.Commit, out.CommitMessage = Shorten(s.GetCommit(), maxText), Shorten(s.GetCommitMessage(), maxText)
	return out
}

// ShortMeta returns what all records share, with long texts cut.
func ShortMeta(m *waypointv1.RecordMeta) *waypointv1.RecordMeta {
	if m == nil {
		return nil
	}
	out := proto.CloneOf(m)
	out.Error, out.Source = Shorten(m.GetError(), maxText), shortSource(m.GetSource())
	return out
}

// ShortResult returns a result that names the records that a job made, without what plugins keep in them: that is read from the
// records, by their ids.
func ShortResult(in *waypointv1.JobResult) *waypointv1.JobResult {
	if in == nil {
		return nil
	}
	out := &waypointv1.JobResult{
		DeployUrl: Shorten(in.GetDeployUrl(), maxText), ReleaseUrl: Shorten(in.GetReleaseUrl(), maxText), Destroyed: in.GetDestroyed(),
		UpToDate: in.GetUpToDate(),
	}
	if b := in.GetBuild(); b != nil {
		out.Build = &waypointv1.Build{Meta: ShortMeta(b.GetMeta())}
	}
	if a := in.GetArtifact(); a != nil {
		out.Artifact = &waypointv1.Artifact{Meta: ShortMeta(a.GetMeta()), BuildId: a.GetBuildId(), BuildSequence: a.GetBuildSequence()}
	}
	if d := in.GetDeployment(); d != nil {
		out.Deployment = &waypointv1.Deployment{
			Meta: ShortMeta(d.GetMeta()), ArtifactId: d.GetArtifactId(), ArtifactSequence: d.GetArtifactSequence(),
			PhysicalState: d.GetPhysicalState(), Url: Shorten(d.GetUrl(), maxText), Generation: Shorten(d.GetGeneration(), maxText),
			HasLogsPlugin: d.GetHasLogsPlugin(), HasExecPlugin: d.GetHasExecPlugin(),
		}
	}
	if r := in.GetRelease(); r != nil {
		out.Release = &waypointv1.Release{
			Meta: ShortMeta(r.GetMeta()), DeploymentId: r.GetDeploymentId(), DeploymentSequence: r.GetDeploymentSequence(),
			Url: Shorten(r.GetUrl(), maxText), Unimplemented: r.GetUnimplemented(), PhysicalState: r.GetPhysicalState(),
		}
	}
	if proto.Size(out) <= MaxResult {
		return out
	}
	for _, m := range []*waypointv1.RecordMeta{out.GetBuild().GetMeta(), out.GetArtifact().GetMeta(), out.GetDeployment().GetMeta(), out.GetRelease().GetMeta()} {
		if m != nil {
			m.Labels = nil // the records have them
		}
	}
	return out
}

// ShortStatus returns a status report that fits MaxStatusReport: it gives up what plugins keep of resources first, then the
// last resources, and says how many those were.
func ShortStatus(in *waypointv1.StatusReport) *waypointv1.StatusReport {
	if in == nil {
		return nil
	}
	out := proto.CloneOf(in)
	out.HealthMessage = Shorten(in.GetHealthMessage(), maxText)
	if proto.Size(out) <= MaxStatusReport {
		return out
	}
	all := len(out.GetResources())
	out.Resources = ShortResources(out.GetResources(), MaxStatusReport-2*maxText)
	if left := all - len(out.GetResources()); left > 0 {
		note := fmt.Sprintf("%d more resources are not shown", left)
		out.HealthMessage = strings.TrimPrefix(Shorten(out.GetHealthMessage(), maxText-len(note)-2)+"; "+note, "; ")
	}
	return out
}

// ShortResources returns resources that fit most bytes together: without what plugins keep of them, and the first ones alone, if
// necessary.
func ShortResources(in []*waypointv1.Resource, most int) []*waypointv1.Resource {
	const overhead = 8
	size := 0
	for _, r := range in {
		size += proto.Size(r) + overhead
	}
	if size <= most {
		return in
	}
	var out []*waypointv1.Resource
	size = 0
	for _, r := range in {
		r = proto.CloneOf(r)
		r.StateJson = nil
		r.HealthMessage = Shorten(r.GetHealthMessage(), maxText)
		if size += proto.Size(r) + overhead; size > most {
			break
		}
		out = append(out, r)
	}
	return out
}
