package runner_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

// maker is a platform that makes a file, named by the deployment's id, for each deployment: what it leaves can be seen.
type maker struct {
	dir string
	c   struct {
		Fail bool   `hcl:"fail,optional"`
		Of   string `hcl:"of,optional"`
	}
}

func (p *maker) Config() any { return &p.c }

func (p *maker) Deploy(_ context.Context, _ *plugin.Call, req *plugin.DeployRequest) (*plugin.DeployResult, error) {
	return &plugin.DeployResult{Result: plugin.Result{State: req.DeploymentID}}, os.WriteFile(filepath.Join(p.dir, req.DeploymentID), nil, 0o600)
}

func (p *maker) DestroyDeployment(_ context.Context, _ *plugin.Call, d *plugin.Deployment) error {
	if p.c.Fail {
		return errors.New("the platform is away")
	}
	if err := os.Remove(filepath.Join(p.dir, d.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (p *maker) DestroyWorkspace(context.Context, *plugin.Call) error {
	all, err := os.ReadDir(p.dir)
	for _, e := range all {
		err = errors.Join(err, os.Remove(filepath.Join(p.dir, e.Name())))
	}
	return err
}

// newMakerWorld is a world whose apps are deployed with a maker.
func newMakerWorld(t *testing.T) (w *world, left func() []string) {
	t.Helper()
	dir := t.TempDir()
	w = newWorld(t, file(use("true"), "use \"maker\" {}", ""))
	w.plugins = []catalog.Definition{{Name: "maker", Platform: func() plugin.Platform { return &maker{dir: dir} }}}
	return w, func() (names []string) {
		all, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			names = append(names, e.Name())
		}
		return names
	}
}

// interruptedDeploy runs an up whose runner reaches the server no more after the platform made the deployment, before that is
// recorded, as when it is killed there; and whose job no other attempt takes up.
func (w *world) interruptedDeploy() *waypointv1.Deployment {
	w.t.Helper()
	var killed atomic.Bool
	refuse := connect.NewErrorWriter()
	w.api.wrapped = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
			req := &waypointv1.PutRecordRequest{}
			if strings.HasSuffix(r.URL.Path, "/PutRecord") && proto.Unmarshal([]byte(readBody(r)), req) == nil &&
				req.GetRecord().GetDeployment().GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED {
				killed.Store(true)
			}
			if killed.Load() {
				_ = refuse.Write(res, r, stale())
				return
			}
			next.ServeHTTP(res, r)
		})
	}
	id := ulid.Make().String()
	w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_READY)
	_ = w.runner().RunJob(w.t.Context(), id) // its attempt is lost
	w.api.wrapped = nil
	w.api.set(id, func(j *jobItem) { j.live, j.job.State = false, failed })
	w.api.mu.Lock()
	defer w.api.mu.Unlock()
	d := w.api.records[len(w.api.records)-1].GetDeployment()
	if d.GetMeta().GetState() != waypointv1.RecordState_RECORD_STATE_RUNNING || len(d.GetResult().GetStateJson()) > 0 {
		w.t.Fatalf("the deploy was not cut between making and recording: %v", d)
	}
	return proto.CloneOf(d)
}

// recorded is a deployment as it is recorded now.
func (w *world) recorded(id string) *waypointv1.Deployment {
	w.t.Helper()
	d, err := w.api.find(&waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: id}}, func(r *waypointv1.Record) bool { return r.GetDeployment() != nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return d.GetDeployment()
}

func wantInterrupted(t *testing.T, d *waypointv1.Deployment) {
	t.Helper()
	if d.GetPhysicalState() != waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED || d.GetMeta().GetState() != waypointv1.RecordState_RECORD_STATE_ERROR ||
		d.GetMeta().GetError() == "" {
		t.Errorf("the record: %v", d)
	}
}

// What a deploy made that was cut short before it could be recorded is found by its id, and removed by the next deploy.
func TestTheNextDeployRemovesWhatAnInterruptedOneLeft(t *testing.T) {
	w, left := newMakerWorld(t)
	first, second := w.interruptedDeploy(), w.interruptedDeploy()
	if got := left(); len(got) != 1 || got[0] != second.GetMeta().GetId() { // the second one removed what the first left
		t.Fatalf("there is %v", got)
	}
	j := w.do(spec(up(-1)))
	wantState(t, j, succeeded, "")
	if got := left(); len(got) != 1 || got[0] != j.GetResult().GetDeployment().GetMeta().GetId() {
		t.Errorf("there is %v, and deployed was %v", got, j.GetResult().GetDeployment())
	}
	wantInterrupted(t, w.recorded(first.GetMeta().GetId()))
	wantInterrupted(t, w.recorded(second.GetMeta().GetId()))
	if text := w.api.text(j.GetId()); !strings.Contains(text, "Removed what the interrupted deployment v2 left") {
		t.Errorf("nobody is told:\n%s", text)
	}
	again := w.do(spec(up(-1)))
	wantState(t, again, succeeded, "")
	if text := w.api.text(again.GetId()); strings.Contains(text, "interrupted") {
		t.Errorf("it is removed twice:\n%s", text)
	}
}

// A platform that cannot remove it now does not keep the app from being deployed, and is asked again.
func TestLeftoversThatCannotBeRemovedAreTriedAgain(t *testing.T) {
	w, left := newMakerWorld(t)
	first := w.interruptedDeploy()
	w.write("waypoint.hcl", file(use("true"), "use \"maker\" {\n fail = true\n}", "")["waypoint.hcl"])
	j := w.do(spec(up(-1)))
	wantState(t, j, succeeded, "")
	if text := w.api.text(j.GetId()); !strings.Contains(text, "the platform is away") || len(left()) != 2 {
		t.Errorf("there is %v:\n%s", left(), text)
	}
	w.write("waypoint.hcl", file(use("true"), "use \"maker\" {}", "")["waypoint.hcl"])
	wantState(t, w.do(spec(up(-1))), succeeded, "")
	if slices.Contains(left(), first.GetMeta().GetId()) {
		t.Error("it is there still")
	}
	wantInterrupted(t, w.recorded(first.GetMeta().GetId()))
}

func destroyAll() *waypointv1.Operation {
	return &waypointv1.Operation{Operation: &waypointv1.Operation_Destroy{Destroy: &waypointv1.DestroyOp{}}}
}

// destroy does the same, with a stage that cannot be evaluated any more, and where no deployment is recorded at all.
func TestDestroyRemovesWhatInterruptedDeploysLeft(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"recorded": func(*world) {},
		"the artifact is gone": func(w *world) {
			w.write("waypoint.hcl", file(use("true"), "use \"maker\" {\n of = artifact.n\n}", "")["waypoint.hcl"])
			w.api.mu.Lock()
			defer w.api.mu.Unlock()
			w.api.records = slices.DeleteFunc(w.api.records, func(r *waypointv1.Record) bool { return r.GetBuild() != nil || r.GetArtifact() != nil })
		},
		"the server lost its data": func(w *world) {
			w.api.mu.Lock()
			defer w.api.mu.Unlock()
			w.api.records = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, left := newMakerWorld(t)
			w.interruptedDeploy()
			if len(left()) != 1 {
				t.Fatalf("there is %v", left())
			}
			change(w)
			j := w.do(spec(destroyAll()))
			if got := left(); len(got) > 0 {
				t.Errorf("there is %v: %v\n%s", got, j.GetError(), w.api.text(j.GetId()))
			}
			if name != "the artifact is gone" {
				wantState(t, j, succeeded, "")
			}
		})
	}
}
