package functions_test

import (
	"strings"
	"testing"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// keys are those of everything that is stored, by a scan of the whole table.
func (w *world) keys(t *testing.T) (keys []store.Key) {
	t.Helper()
	pages := awsdynamodb.NewScanPaginator(awsdynamodb.NewFromConfig(w.Config), &awsdynamodb.ScanInput{TableName: &w.Spec.Table.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			keys = append(keys, store.KeyOf(item))
		}
	}
	return keys
}

// destroyed calls until the project is gone.
func (c *caller) destroyed(t *testing.T, req *waypointv1.DestroyProjectRequest) (removed int64) {
	t.Helper()
	for range 20 {
		got := must[waypointv1.DestroyProjectResponse](t)(c.projects.DestroyProject(t.Context(), ask(req)))
		if removed += got.GetRemoved(); got.GetDone() {
			return removed
		}
	}
	t.Fatal("the project was not gone after 20 calls")
	return 0
}

func TestAProjectThatIsDestroyedLeavesNothing(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "blog")
	others := w.keys(t)
	c.project(t, "shop")
	c.set(t, appVar("DB", "a"))
	id, e, fence := c.deployed(t)
	starts := w.starts(t, e, id)
	for range 3000 {
		starts.sequence++ // as if each line before had been sent
		if starts.sequence%100 == 0 {
			starts.writes(t, "a line")
		}
	}
	req := &waypointv1.DestroyProjectRequest{Name: "shop"}

	refuse := func(why fault.Reason, hint string) {
		t.Helper()
		_, err := c.projects.DestroyProject(ctx, ask(req))
		f, ok := fault.From(err)
		if !ok || f.Reason != why || !strings.Contains(f.Message+f.Hint, hint) {
			t.Errorf("got %v, want %s with %q", err, why, hint)
		}
	}
	refuse(fault.ProjectInUse, "has not ended")
	c.complete(t, fence, nil)
	refuse(fault.ProjectInUse, "destroy -project shop -workspace default")
	c.project(t, "shop") // a refused one goes on as before

	req.SkipDestroyResources = true
	if got := must[waypointv1.DestroyProjectResponse](t)(c.projects.DestroyProject(ctx, ask(req))); got.GetDone() {
		t.Fatal("it was gone with the first call")
	}
	if p := must[waypointv1.GetProjectResponse](t)(c.projects.GetProject(ctx, ask(&waypointv1.GetProjectRequest{Name: "shop"}))); !p.GetProject().GetDestroying() {
		t.Error("it does not say that it is being destroyed")
	}
	_, err := c.jobs.QueueJob(ctx, ask(&waypointv1.QueueJobRequest{Spec: &waypointv1.JobSpec{Project: "shop", App: "web", Operation: noop(),
		Target: &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}}}}))
	if !fault.Is(err, fault.ProjectDestroying) {
		t.Errorf("a job of a project that is being destroyed: %v", err)
	}
	if _, err := c.projects.UpsertProject(ctx, ask(&waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: "shop"}})); !fault.Is(err, fault.ProjectDestroying) {
		t.Errorf("a change of a project that is being destroyed: %v", err)
	}
	if removed := c.destroyed(t, req); removed < 30 {
		t.Errorf("removed %d", removed)
	}

	refuse(fault.ProjectNotFound, "")
	before := map[store.Key]bool{}
	for _, key := range others {
		before[key] = true
	}
	for _, key := range w.keys(t) {
		kind, _, _ := strings.Cut(key.PK, "#")
		switch {
		case before[key]:
		case kind == "J" || kind == "AUDIT" || kind == "L" || kind == "R" || kind == "POOLS" || kind == "T": // what is told to stay
		case key == store.ConfigVersion("shop") || key == store.ConfigVersion(""): // what clients compare never goes back
		default:
			t.Errorf("%s was left", key)
		}
	}
	if _, err := e.entrypoint.RegisterInstance(ctx, ask(&waypointv1.RegisterInstanceRequest{DeploymentId: id, InstanceId: w.ID(t)})); !fault.Is(err, fault.TokenRevoked) {
		t.Errorf("the token of the project's app: %v", err)
	}
	c.project(t, "shop")
	if c.complete(t, c.claimed(t, noop()), nil); c.destroyed(t, &waypointv1.DestroyProjectRequest{Name: "shop"}) == 0 {
		t.Error("nothing was removed of the project that was made again")
	}
}

// More than a call removes, and a project whose mark has to be taken back.
func TestALargeProjectIsDestroyedInParts(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	type anything struct {
		N int64 `dynamodbav:"n"`
	}
	for n := range int64(2500) {
		if err := w.DB.Put(ctx, store.Record("shop", "web", "B", n+1), anything{n}); err != nil {
			t.Fatal(err)
		}
	}
	mark := func() {
		must[waypointv1.DestroyProjectResponse](t)(c.projects.DestroyProject(ctx, ask(&waypointv1.DestroyProjectRequest{Name: "shop"})))
	}
	mark()
	// A job that was queued just before the mark shows late: as if, it is queued past it.
	if err := w.Projects.Unmark(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	fence := c.claimed(t, noop())
	if err := w.DB.Update(ctx, store.ProjectMeta("shop"), store.Set("SET #destroying = ?", "marked")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.projects.DestroyProject(ctx, ask(&waypointv1.DestroyProjectRequest{Name: "shop"})); !fault.Is(err, fault.ProjectInUse) {
		t.Errorf("got %v, want %s", err, fault.ProjectInUse)
	}
	c.project(t, "shop") // the mark was taken back
	c.complete(t, fence, nil)
	if removed := c.destroyed(t, &waypointv1.DestroyProjectRequest{Name: "shop"}); removed < 2502 {
		t.Errorf("removed %d", removed)
	}
}
