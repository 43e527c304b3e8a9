package access_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/access"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

var action = regexp.MustCompile(`^[a-z]+:[a-z]+(-[a-z]+)*$`)

// An RPC without its declaration, or with half of one, fails here.
func TestEveryMethodDeclaresItsAccess(t *testing.T) {
	n := 0
	for _, s := range access.Services() {
		for i := range s.Descriptor.Methods().Len() {
			d := s.Descriptor.Methods().Get(i)
			n++
			m, ok := access.Of(d)
			if !ok {
				t.Errorf("%s declares no access, or names a field that its request does not have: see access.proto", d.FullName())
				continue
			}
			checkDeclaration(t, m, s.Traffic)
		}
	}
	if n < 45 {
		t.Errorf("only %d methods were found", n)
	}
}

func checkDeclaration(t *testing.T, m *access.Method, class waypointv1.Traffic) {
	t.Helper()
	if len(m.Callers) == 0 || slices.Contains(m.Callers, waypointv1.Caller_CALLER_UNSPECIFIED) {
		t.Errorf("%s does not say who may call it", m.Procedure)
	}
	if m.Traffic == waypointv1.Traffic_TRAFFIC_UNSPECIFIED || m.Traffic != class {
		t.Errorf("%s is of class %v, its service of %v: a service has one class, by which its paths are routed", m.Procedure, m.Traffic, class)
	}
	open := m.Traffic == waypointv1.Traffic_TRAFFIC_OPEN
	if open != m.Open() || open != (m.Action == "") || open != (m.Resource == "") {
		t.Errorf("%s: open methods alone have no action and no resource, and they are the class TRAFFIC_OPEN", m.Procedure)
	}
	if m.Action != "" && !action.MatchString(m.Action) || m.GlobalAction != "" && !action.MatchString(m.GlobalAction) {
		t.Errorf("%s: actions %q and %q are not NOUN:VERB", m.Procedure, m.Action, m.GlobalAction)
	}
	if m.GlobalAction != "" && !m.ByField() {
		t.Errorf("%s: a global action is for a resource that a field names", m.Procedure)
	}
	if m.Admits(waypointv1.Caller_CALLER_ENTRYPOINT) && m.ByField() && len(m.Callers) > 1 {
		t.Errorf("%s: a field names a deployment for entrypoints and a project for others, so they share no method", m.Procedure)
	}
	if got, ok := access.Lookup(m.Procedure); !ok || got != m {
		t.Errorf("%s is not found by its procedure", m.Procedure)
	}
}

func TestWhatIsNoMethodIsNotFound(t *testing.T) {
	for _, procedure := range []string{
		"", "/", "/waypoint.v1.JobService", "/waypoint.v1.JobService/", "/waypoint.v1.JobService/Nothing", "waypoint.v1.JobService/GetJob",
		"/waypoint.v1.Job/GetJob", "/google.protobuf.MethodOptions/x", "/waypoint.v1.JobService/GetJob/more",
	} {
		if m, ok := access.Lookup(procedure); ok {
			t.Errorf("%q is %v", procedure, m)
		}
	}
}

func TestResourcesAreReadFromTheRequest(t *testing.T) {
	scoped := func(projects ...string) *waypointv1.SetConfigRequest {
		out := &waypointv1.SetConfigRequest{}
		for _, p := range projects {
			out.Variables = append(out.Variables, &waypointv1.ConfigVariable{Scope: &waypointv1.ConfigScope{Project: p}})
		}
		return out
	}
	set, _ := access.Lookup("/waypoint.v1.ConfigService/SetConfig")
	queue, _ := access.Lookup("/waypoint.v1.JobService/QueueJob")
	job, _ := access.Lookup("/waypoint.v1.JobService/GetJob")
	for name, tt := range map[string]struct{ got, want []string }{
		"a field":              {queue.Resources(&waypointv1.QueueJobRequest{Spec: &waypointv1.JobSpec{Project: "shop"}}), []string{"shop"}},
		"what is left out":     {queue.Resources(&waypointv1.QueueJobRequest{}), []string{""}},
		"a list":               {set.Resources(scoped("shop", "", "blog")), []string{"shop", "", "blog"}},
		"a list of none":       {set.Resources(scoped()), nil},
		"a scope that is not":  {set.Resources(&waypointv1.SetConfigRequest{Variables: []*waypointv1.ConfigVariable{{}}}), []string{""}},
		"what is loaded first": {job.Resources(&waypointv1.GetJobRequest{Id: "x"}), nil},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %q", name, tt.got)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	for b.Loop() {
		if _, ok := access.Lookup("/waypoint.v1.JobService/GetJob"); !ok {
			b.Fatal("not found")
		}
	}
}
