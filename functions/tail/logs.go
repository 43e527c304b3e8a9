package tail

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/logs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Logs reads the logs of apps, each instance in its own order.
type Logs struct {
	DB       *store.DB
	Records  *records.Store
	Projects *projects.Store
	Logs     *logs.Store
	// Hold is how long a read is held at most; 0: answered at once.
	Hold time.Duration
}

const (
	backlogDefault = 100
	backlogMost    = 10_000
	// deploymentsMost bounds how many live deployments of an app are followed at once.
	deploymentsMost = 20
	// recordsMost bounds how many of the newest records are looked at for them.
	recordsMost = 200
	// batchesMost bounds what one look reads of one instance.
	batchesMost = 20
	// bytesMost bounds an answer: 4 MB is the most that it may be.
	bytesMost = 2 << 20
	// markEvery is how often a reader says that it reads.
	markEvery = logs.TailedFor / 3
	// instancesEvery is how often, within one held read, new instances are looked for.
	instancesEvery = 2 * time.Second
)

// logCursor says how far a reader is: for each instance, the sequence that comes next.
type logCursor struct {
	Next map[string]map[string]int64 `json:"n"` // deployment, instance
	// Marked is when the reader last said that it reads, Unix seconds.
	Marked int64 `json:"m"`
}

// cursorMost bounds a cursor that comes back from a client.
const cursorMost = 256 << 10

func parseCursor(s string) (logCursor, error) {
	c := logCursor{Next: map[string]map[string]int64{}}
	if s == "" {
		return c, nil
	}
	refused := fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, "the cursor is not one of this list").WithFact("field", "cursor")
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) > cursorMost || json.Unmarshal(raw, &c) != nil || c.Next == nil {
		return c, refused
	}
	return c, nil
}

func (c logCursor) String() string {
	raw, _ := json.Marshal(c) // maps of strings and numbers always marshal
	return base64.RawURLEncoding.EncodeToString(raw)
}

// TailLogs answers new log lines from a cursor on, and holds the read until there are some. Without a cursor
// it answers the last lines at once. The cursor names deployments and instances of the caller's own list only:
// what it reads is decided by the request and the table, so a forged one opens nothing.
func (l *Logs) TailLogs(ctx context.Context, req *connect.Request[waypointv1.TailLogsRequest]) (*connect.Response[waypointv1.TailLogsResponse], error) {
	in := req.Msg
	if err := checkTailLogs(in); err != nil {
		return nil, err
	}
	cursor, err := parseCursor(in.GetCursor())
	if err != nil {
		return nil, err
	}
	deployments, err := l.deployments(ctx, in)
	if err != nil {
		return nil, err
	}
	read := cursor.Marked
	if err := l.mark(ctx, deployments, &cursor); err != nil {
		return nil, err
	}
	for id := range cursor.Next { // a cursor does not grow with every deployment that there ever was
		if _, live := deployments[id]; !live {
			delete(cursor.Next, id)
		}
	}
	r := reader{logs: l.Logs, deployments: deployments, cursor: cursor, read: read}
	if in.GetCursor() == "" {
		err = r.backlog(ctx, backlogOf(in))
	} else {
		err = l.follow(ctx, &r, min(time.Duration(min(in.GetWaitMs(), validate.MaxTailWaitMS))*time.Millisecond, l.Hold))
	}
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.TailLogsResponse{Lines: r.sorted(), NextCursor: r.cursor.String()}), nil
}

func checkTailLogs(in *waypointv1.TailLogsRequest) error {
	errs := []error{validate.Name("project", in.GetProject()), validate.Name("app", in.GetApp())}
	if in.GetWorkspace() != "" {
		errs = append(errs, validate.Workspace(in.GetWorkspace()))
	}
	if in.GetDeploymentId() != "" {
		errs = append(errs, validate.ID("deployment_id", in.GetDeploymentId()))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func backlogOf(in *waypointv1.TailLogsRequest) int {
	if in.GetBacklog() <= 0 {
		return backlogDefault
	}
	return min(int(in.GetBacklog()), backlogMost)
}

// deployments are those that the request is about: one, or the app's live ones in the workspace.
func (l *Logs) deployments(ctx context.Context, in *waypointv1.TailLogsRequest) (map[string]int64, error) {
	out := map[string]int64{}
	if id := in.GetDeploymentId(); id != "" {
		record, err := l.Records.ByID(ctx, records.Deployments, id)
		if err != nil {
			return nil, err
		}
		meta := record.GetDeployment().GetMeta()
		if meta.GetProject() != in.GetProject() || meta.GetApp() != in.GetApp() {
			return nil, records.NotFound(records.Deployments, "with the id "+id+" in "+in.GetProject()+"/"+in.GetApp())
		}
		out[id] = meta.GetSequence()
		return out, nil
	}
	workspace := in.GetWorkspace()
	if workspace == "" {
		workspace = "default"
	}
	list := records.ListRequest{
		Kind: records.Deployments, Project: in.GetProject(), App: in.GetApp(), Workspace: workspace, Size: deploymentsMost,
	}
	// A reader may not complete the list of what lives: until somebody has, it looks at the newest records.
	complete, err := l.Records.LivingComplete(ctx, list)
	if err != nil {
		return nil, err
	}
	list.Living, list.Entered = complete, complete
	for seen := 0; ; {
		records, next, err := l.Records.List(ctx, list)
		if err != nil {
			return nil, err
		}
		if seen == 0 && len(records) == 0 {
			return out, l.Projects.CheckApp(ctx, in.GetProject(), in.GetApp())
		}
		for _, r := range records {
			if d := r.GetDeployment(); mayRun(d) && len(out) < deploymentsMost {
				out[d.GetMeta().GetId()] = d.GetMeta().GetSequence()
			}
		}
		// What failed or was destroyed does not hide what runs.
		seen += len(records)
		if next == "" || len(out) >= deploymentsMost || seen >= recordsMost {
			return out, nil
		}
		list.Token = next
	}
}

// mayRun reports whether a deployment was neither destroyed nor failed.
func mayRun(d *waypointv1.Deployment) bool {
	return d.GetPhysicalState() != waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED &&
		d.GetMeta().GetState() != waypointv1.RecordState_RECORD_STATE_ERROR
}

// mark says to the entrypoints that somebody reads, so that they send their lines each second.
func (l *Logs) mark(ctx context.Context, deployments map[string]int64, c *logCursor) error {
	now := l.DB.Now().Unix()
	if now-c.Marked < int64(markEvery.Seconds()) {
		return nil
	}
	for id := range deployments {
		if err := l.Logs.MarkTailed(ctx, id); err != nil {
			return err
		}
	}
	c.Marked = now
	return nil
}

// follow looks again and again until there is a line, hold has passed, or ctx ends.
func (l *Logs) follow(ctx context.Context, r *reader, hold time.Duration) error {
	deadline := time.Now().Add(hold)
	var listed time.Time
	for wait := firstLook; ; wait = slower(wait) {
		if listed.IsZero() || time.Since(listed) >= instancesEvery {
			if err := r.list(ctx); err != nil {
				return err
			}
			listed = time.Now()
		}
		if err := r.look(ctx); err != nil {
			return err
		}
		if len(r.lines) > 0 || !time.Now().Add(wait).Before(deadline) {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil // what is there is answered, though nobody may read it
		case <-timer.C:
		}
	}
}

// Looks come 50 ms apart at first and each 1.5 times slower, up to 1 s: while somebody reads, entrypoints send about
// each second.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
)

func slower(wait time.Duration) time.Duration { return min(wait*3/2, lastLook) }

// reader collects lines of some deployments.
type reader struct {
	logs        *logs.Store
	deployments map[string]int64
	cursor      logCursor
	instances   map[string][]logs.Instance
	// read is when the reader last said that it reads, before this call: Unix seconds.
	read  int64
	lines []*waypointv1.LogLine
	bytes int
}

func (r *reader) list(ctx context.Context) error {
	r.instances = map[string][]logs.Instance{}
	for id := range r.deployments {
		all, err := r.logs.ListInstances(ctx, id)
		if err != nil {
			return err
		}
		r.instances[id] = all
		r.forget(id)
	}
	return nil
}

// forget drops from the cursor what is not listed any more, so that it does not grow with every restart of an app.
func (r *reader) forget(deployment string) {
	listed := make(map[string]bool, len(r.instances[deployment]))
	for _, i := range r.instances[deployment] {
		listed[i.ID] = true
	}
	for id := range r.cursor.Next[deployment] {
		if !listed[id] {
			delete(r.cursor.Next[deployment], id)
		}
	}
}

// backlog reads the last lines of every instance and keeps the last of all, as many as fit. Every instance is read from its end
// on afterwards: what the answer has no room for is older than what it shows, and is not sent later.
func (r *reader) backlog(ctx context.Context, lines int) error {
	if err := r.list(ctx); err != nil {
		return err
	}
	for deployment, instances := range r.instances {
		for _, i := range instances {
			batches, err := r.logs.ReadLast(ctx, deployment, i.ID, lines, bytesMost)
			if err != nil {
				return err
			}
			r.advance(deployment, i.ID, 0)
			for _, b := range batches {
				r.batch(deployment, i.ID, b)
			}
			r.keepLast(lines)
		}
	}
	return nil
}

// keepLast drops all but the last lines, and of these the oldest that the answer has no room for.
func (r *reader) keepLast(lines int) {
	r.lines = r.sorted()
	first, size := len(r.lines), 0
	for first > 0 && len(r.lines)-first < lines {
		next := size + logs.LineSize(r.lines[first-1])
		if size > 0 && next > bytesMost {
			break
		}
		first, size = first-1, next
	}
	r.lines, r.bytes = slices.Clone(r.lines[first:]), size
}

// look reads what came since the cursor, until the answer is full: the rest comes with the next read.
func (r *reader) look(ctx context.Context) error {
	for deployment, instances := range r.instances {
		for _, i := range instances {
			if r.bytes >= bytesMost {
				return nil
			}
			batches, err := r.since(ctx, deployment, i)
			if err != nil {
				return err
			}
			r.take(deployment, i.ID, batches)
		}
	}
	return nil
}

// startedAround is how much earlier than the reader's last word an instance may have registered and still be new to it.
const startedAround = time.Minute

// since reads what an instance wrote since the cursor. One that the cursor does not know is read from its beginning if it has
// started since; else it is one that was not listed for a while, of whose lines only the last are news.
func (r *reader) since(ctx context.Context, deployment string, i logs.Instance) ([]logs.Batch, error) {
	next, known := r.cursor.Next[deployment][i.ID]
	if !known && i.Registered < r.read-int64(startedAround.Seconds()) {
		return r.logs.ReadLast(ctx, deployment, i.ID, backlogDefault, bytesMost)
	}
	return r.logs.Read(ctx, deployment, i.ID, next, batchesMost)
}

// take adds batches until the answer is full; an entrypoint sends its batches one after the other, in their order.
func (r *reader) take(deployment, instance string, batches []logs.Batch) {
	for _, b := range batches {
		if r.bytes >= bytesMost {
			return
		}
		r.batch(deployment, instance, b)
	}
}

func (r *reader) batch(deployment, instance string, b logs.Batch) {
	if b.Dropped > 0 {
		r.add(deployment, instance, &waypointv1.LogLine{Text: logs.LeftOut(b.Dropped, b.DroppedBytes, ""), Entrypoint: true, TimeUnixMs: firstTime(b)})
	}
	for _, line := range b.Lines {
		r.add(deployment, instance, line)
	}
	r.advance(deployment, instance, b.Sequence+1)
}

func firstTime(b logs.Batch) int64 {
	if len(b.Lines) == 0 {
		return 0
	}
	return b.Lines[0].GetTimeUnixMs()
}

func (r *reader) add(deployment, instance string, line *waypointv1.LogLine) {
	line.DeploymentId, line.DeploymentSequence, line.InstanceId = deployment, r.deployments[deployment], instance
	r.lines = append(r.lines, line)
	r.bytes += logs.LineSize(line)
}

func (r *reader) advance(deployment, instance string, next int64) {
	if r.cursor.Next[deployment] == nil {
		r.cursor.Next[deployment] = map[string]int64{}
	}
	r.cursor.Next[deployment][instance] = next
}

// sorted are the lines by time; those of one instance keep their order when their times are equal.
func (r *reader) sorted() []*waypointv1.LogLine {
	slices.SortStableFunc(r.lines, func(a, b *waypointv1.LogLine) int {
		return cmp.Compare(a.GetTimeUnixMs(), b.GetTimeUnixMs())
	})
	return r.lines
}
