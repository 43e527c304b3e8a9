package standin_test

import (
	"regexp"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// older stands for a version of the installer whose REST API was another one.
func older(change func(string) string) func(string) string {
	deployment := regexp.MustCompile(`ApiDeployment[0-9a-f]{10}`)
	return func(body string) string { return deployment.ReplaceAllString(change(body), "ApiDeploymentOlder") }
}

func otherTimeout(body string) string {
	return strings.ReplaceAll(body, `"TimeoutInMillis":29000`, `"TimeoutInMillis":28000`)
}

func otherMediaTypes(body string) string {
	return strings.ReplaceAll(body, `["*/*","application/proto"]`, `["*/*","application/proto","application/older"]`)
}

// switched is a template rewriter that is on until it is switched off.
type switched struct{ rewrite func(string) string }

func (s *switched) apply(body string) string {
	if s.rewrite == nil {
		return body
	}
	return s.rewrite(body)
}

// An upgrade whose template has another REST API ends well: on an AWS that does all by itself, and on LocalStack, which
// deletes the stage with the old deployment.
func TestAnUpgradeOverAChangedRESTAPIKeepsItAlive(t *testing.T) {
	for name, like := range map[string]bool{"like AWS": false, "like LocalStack": true} {
		t.Run(name, func(t *testing.T) {
			old := &switched{older(otherTimeout)}
			s := start(t, standin.Options{LikeLocalStack: like, RewriteTemplate: old.apply})
			o := options(s)
			r, err := infra.Install(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := reach(t, r).Project.UpsertProject(t.Context(), connect.NewRequest(&waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: "hello"}})); err != nil {
				t.Fatal(err)
			}
			old.rewrite = nil
			upgraded, err := infra.Upgrade(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if !upgraded.Changed || upgraded.Address != r.Address || upgraded.ServerID != r.ServerID {
				t.Errorf("the upgrade is %+v, the installation was %+v", upgraded, r)
			}
			if got := projects(t, reach(t, r)); got != "hello" { // with the token that was there before
				t.Errorf("after the upgrade the projects are %q", got)
			}
			healthy(t, o)
			purge(t, s, o, "an upgrade over another REST API")
		})
	}
}

// LocalStack cannot change the REST API itself. What served before goes on serving, and the next upgrade makes the stack
// anew with the parameters, the server and the data that it had.
func TestAFailedChangeOfTheRESTAPIKeepsItAliveAndTheNextUpgradeCompletesIt(t *testing.T) {
	old := &switched{older(otherMediaTypes)}
	s := start(t, standin.Options{LikeLocalStack: true, RewriteTemplate: old.apply})
	o := options(s)
	o.Parameters = map[string]string{"LogRetentionDays": "30"}
	o.Tags = map[string]string{"team": "web"}
	r, err := infra.Install(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reach(t, r).Project.UpsertProject(t.Context(), connect.NewRequest(&waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: "hello"}})); err != nil {
		t.Fatal(err)
	}
	old.rewrite, o.Parameters, o.Tags = nil, nil, nil
	_, err = infra.Upgrade(t.Context(), o)
	wantFault(t, err, infra.StackFailed, "ROLLBACK_COMPLETE: Stage (AWS::ApiGateway::Stage)")
	if state := stateAfter(t, err); state != infra.APIAnswers {
		t.Errorf("after the failed upgrade the API's state is %v", state)
	}
	if got := projects(t, reach(t, r)); got != "hello" {
		t.Errorf("after the failed upgrade the projects are %q", got)
	}
	var plan infra.Plan
	o.Confirm = func(p infra.Plan) (bool, error) { plan = p; return true, nil }
	again, err := infra.Upgrade(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if again.ServerID != r.ServerID || again.Parameters["LogRetentionDays"] != "30" || plan.Operation != "install" {
		t.Errorf("the stack that was made anew has %v, by %q", again.Parameters, plan.Operation)
	}
	if got := projects(t, reach(t, again)); got != "hello" {
		t.Errorf("in the new stack the projects are %q", got)
	}
	healthy(t, o)
	purge(t, s, o, "a stack that was made anew")
}

func stateAfter(t *testing.T, err error) infra.APIState {
	t.Helper()
	unfinished, ok := err.(*infra.Unfinished) //nolint:errorlint // the operation's own error, never wrapped
	if !ok {
		t.Fatalf("%v is not Unfinished", err)
	}
	return unfinished.API
}

// After a change that failed without an emulator's help, only what is true is said of the API.
func TestAFailedChangeAsksWhetherTheAPIGoesOnServing(t *testing.T) {
	broken := false
	s := start(t, standin.Options{Fail: func(verb, logical string) string {
		if broken && verb == "UPDATE" && logical == "TailLogs" {
			broken = false
			return "Rate exceeded"
		}
		return ""
	}})
	o := options(s)
	if _, err := infra.Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	broken = true
	o.Parameters = map[string]string{"LogRetentionDays": "90"}
	_, err := infra.Upgrade(t.Context(), o)
	if state := stateAfter(t, err); state != infra.APIAnswers {
		t.Errorf("the API's state is %v after %v", state, err)
	}
}

// LocalStack cannot delete the stack of a creation that failed. The removal goes on with everything that has a name; the
// stack itself is named, with what is true of it.
func TestAFailedCreationOnLocalStackIsCleared(t *testing.T) {
	broken := true
	s := start(t, standin.Options{LikeLocalStack: true, Fail: func(verb, logical string) string {
		if broken && verb == "CREATE" && logical == "TailFunction" {
			return "No Docker socket"
		}
		return ""
	}})
	o := options(s)
	_, err := infra.Install(t.Context(), o)
	wantFault(t, err, infra.StackFailed, "TailFunction (AWS::Lambda::Function): No Docker socket")
	broken = false
	_, err = infra.Install(t.Context(), o)
	wantFault(t, err, infra.StackFailed, "DELETE_FAILED: RestApi")
	wantHint(t, err, "Restart the emulator", "another --name", "`waypoint uninstall --platform=aws --purge`")

	o.Purge = true
	gone, err := infra.Uninstall(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(gone.Kept) != 0 || !strings.Contains(gone.Stuck, "the stack waypoint (DELETE_FAILED), which this emulator cannot delete") {
		t.Errorf("kept %q, stuck %q", gone.Kept, gone.Stuck)
	}
	if left := s.Left(); len(left) != 1 || left[0] != "stack waypoint (DELETE_FAILED)" {
		t.Errorf("these are left: %q", left)
	}
	// Both ways that the hint names lead on.
	o.Purge, o.Name = false, "waypoint-2"
	if _, err := infra.Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Name = ""
	if _, err := infra.Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	purge(t, s, o, "a failed creation and a restart")
}

func wantHint(t *testing.T, err error, says ...string) {
	t.Helper()
	hint := ""
	if f, ok := fault.From(err); ok {
		hint = f.Hint
	}
	for _, want := range says {
		if !strings.Contains(hint, want) {
			t.Errorf("the hint is %q, and should have %q", hint, want)
		}
	}
}

// What an emulator's stack leaves is found by its name, by the removal that deleted the stack and by a later one.
func TestWhatLocalStackLeavesIsRemoved(t *testing.T) {
	old := &switched{older(otherMediaTypes)}
	s := start(t, standin.Options{LikeLocalStack: true, RewriteTemplate: old.apply})
	o := options(s)
	if _, err := infra.Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	old.rewrite = nil
	if _, err := infra.Upgrade(t.Context(), o); err == nil {
		t.Fatal("the upgrade succeeded")
	}
	// The stack goes, and sweep's function, rule and queue stay.
	deleteStack(t, s, "waypoint")
	if left := strings.Join(s.Left(), ", "); !strings.Contains(left, "function waypoint-sweep") || !strings.Contains(left, "UndeliveredQueue") {
		t.Fatalf("left: %s", left)
	}
	purge(t, s, o, "a stack that was deleted by halves")
	if removal, err := infra.Uninstall(t.Context(), o); err != nil || !removal.Nothing {
		t.Errorf("%+v, %v", removal, err)
	}
}

// An installation whose stage an earlier version's upgrade lost is repaired by an installation that changes nothing.
func TestALostStageIsDeployedAgain(t *testing.T) {
	s := start(t, standin.Options{LikeLocalStack: true})
	o := options(s)
	if _, err := infra.Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := s.LoseStages(); err != nil {
		t.Fatal(err)
	}
	r, err := infra.Install(t.Context(), o)
	if err != nil || r.Changed {
		t.Fatalf("%+v, %v", r, err)
	}
	healthy(t, o)
}

// deleteStack deletes a stack with CloudFormation alone, and waits until it is gone.
func deleteStack(t *testing.T, s *standin.StandIn, name string) {
	t.Helper()
	cfn := cloudformation.NewFromConfig(s.Config())
	if _, err := cfn.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: &name}); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := cfn.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name}); err != nil {
			return // it does not exist any more
		}
	}
}
