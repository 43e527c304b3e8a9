// Package projects keeps projects, their apps and workspaces, and the credentials of their sources, sealed.
//
// It imports the kernel, the contract and package job (which projects a token or runner is bound to).
package projects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Store keeps projects. It is safe for concurrent use.
type Store struct{ db *store.DB }

// New returns the projects of a table.
func New(db *store.DB) *Store { return &Store{db: db} }

type projectItem struct {
	Name    string            `dynamodbav:"name"`
	Remote  bool              `dynamodbav:"remote"`
	Source  []byte            `dynamodbav:"source,omitempty"`
	Secrets []byte            `dynamodbav:"secrets,omitempty"`
	Labels  map[string]string `dynamodbav:"labels,omitempty"`
	// HCL is packed.
	HCL     []byte `dynamodbav:"hcl,omitempty"`
	Created int64  `dynamodbav:"created"`
	Updated int64  `dynamodbav:"updated"`
	Version int64  `dynamodbav:"ver"`
	// Destroying is set from when it is being destroyed.
	Destroying Stage  `dynamodbav:"destroying,omitempty"`
	Index1PK   string `dynamodbav:"gsi1pk"`
	Index1SK   string `dynamodbav:"gsi1sk"`
}

type appItem struct {
	Name   string            `dynamodbav:"name"`
	Labels map[string]string `dynamodbav:"labels,omitempty"`
	Signal string            `dynamodbav:"signal,omitempty"`
}

type workspaceItem struct {
	Name  string `dynamodbav:"name"`
	First int64  `dynamodbav:"first"`
	Last  int64  `dynamodbav:"last"`
}

// NotFound is the refusal for a project that is not there.
func NotFound(name string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.ProjectNotFound, "there is no project %q", name).
		WithHint("Run `waypoint init` in its directory, or list the projects: waypoint project list.").WithFact("project", name)
}

// AppNotFound is the refusal for an app that is not there.
func AppNotFound(project, app string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.AppNotFound, "project %q has no app %q", project, app).
		WithHint("Run `waypoint init` after adding it to waypoint.hcl, or list the apps: waypoint project inspect %s.", project).
		WithFact("project", project).WithFact("app", app)
}

func (i *projectItem) message() (*waypointv1.Project, error) {
	src, err := i.source()
	if err != nil {
		return nil, err
	}
	src, _ = SplitSecrets(src) // an earlier release kept passwords in URLs
	hcl, err := store.Unpack(i.HCL)
	if err != nil {
		return nil, fmt.Errorf("reading the waypoint.hcl of project %s: %w", i.Name, err)
	}
	return &waypointv1.Project{
		Name: i.Name, RemoteEnabled: i.Remote, DataSource: src, Labels: i.Labels, WaypointHcl: hcl,
		CreatedUnix: i.Created, UpdatedUnix: i.Updated, Destroying: i.Destroying != NotDestroying,
	}, nil
}

// Get reads a project with its apps and workspaces in one strong query; PROJECT_NOT_FOUND if absent.
func (st *Store) Get(ctx context.Context, name string) (*waypointv1.GetProjectResponse, error) {
	items, err := st.db.All(ctx, store.Query{PK: store.ProjectPK(name), Order: store.OldestFirst, Consistent: true})
	if err != nil {
		return nil, err
	}
	out := &waypointv1.GetProjectResponse{}
	for _, raw := range items {
		switch sk := store.KeyOf(raw).SK; {
		case sk == store.ProjectMeta(name).SK:
			var item projectItem
			if err := store.Decode(raw, &item); err != nil {
				return nil, err
			}
			if out.Project, err = item.message(); err != nil {
				return nil, err
			}
		case strings.HasPrefix(sk, store.AppPrefix):
			var item appItem
			if err := store.Decode(raw, &item); err != nil {
				return nil, err
			}
			out.Apps = append(out.Apps, item.message(name))
		case strings.HasPrefix(sk, store.WorkspacePrefix):
			var item workspaceItem
			if err := store.Decode(raw, &item); err != nil {
				return nil, err
			}
			out.Workspaces = append(out.Workspaces, &waypointv1.Workspace{
				Project: name, Name: item.Name, FirstUsedUnix: item.First, LastUsedUnix: item.Last,
			})
		}
	}
	if out.Project == nil {
		return nil, NotFound(name)
	}
	return out, nil
}

func (i appItem) message(project string) *waypointv1.App {
	return &waypointv1.App{Project: project, Name: i.Name, Labels: i.Labels, FileChangeSignal: i.Signal}
}

// CheckApp reports whether a project, and an app of it if app is not empty, are there: PROJECT_NOT_FOUND or
// APP_NOT_FOUND. It reads weakly, and strongly only before it refuses.
func (st *Store) CheckApp(ctx context.Context, project, app string) error {
	keys := []store.Key{store.ProjectMeta(project)}
	if app != "" {
		keys = append(keys, store.App(project, app))
	}
	for _, strong := range []bool{false, true} {
		found, err := st.db.BatchGet(ctx, keys, strong)
		switch {
		case err != nil:
			return err
		case len(found) == len(keys):
			return nil
		case !strong:
		case found[keys[0]] == nil:
			return NotFound(project)
		}
	}
	return AppNotFound(project, app)
}

// List lists projects by name; only names it if those are not nil.
func (st *Store) List(ctx context.Context, size int, token string, only []string) (out []*waypointv1.Project, next string, err error) {
	add := func(raw store.Item) (bool, error) {
		var item projectItem
		if err := store.Decode(raw, &item); err != nil {
			return false, err
		}
		item.HCL = nil // lists show no file
		p, err := item.message()
		if err != nil {
			return false, err
		}
		out = append(out, p)
		return true, nil
	}
	if only == nil {
		q := store.Query{Index: store.Index1, PK: store.ProjectsIndex, Order: store.OldestFirst, Token: token}
		next, err = st.db.List(ctx, q, size, nil, add)
		return out, next, err
	}
	some, err := st.someProjects(ctx, only)
	if err != nil {
		return nil, "", err
	}
	for _, raw := range some {
		if _, err := add(raw); err != nil {
			return nil, "", err
		}
	}
	return out, "", nil
}

func (st *Store) someProjects(ctx context.Context, names []string) ([]store.Item, error) {
	names = slices.Sorted(slices.Values(names))
	keys := make([]store.Key, len(names))
	for i, name := range names {
		keys[i] = store.ProjectMeta(name)
	}
	found, err := st.db.BatchGet(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	var out []store.Item
	for _, k := range keys {
		if item, ok := found[k]; ok {
			out = append(out, item)
		}
	}
	return out, nil
}

// SetFileChangeSignal keeps the signal of an app, under the fence of the job that says it. An unchanged one writes nothing.
func (st *Store) SetFileChangeSignal(ctx context.Context, project, app, signal string, fence store.Action) error {
	var item appItem
	found, err := st.db.Get(ctx, store.App(project, app), true, &item)
	if err != nil || found && item.Signal == signal || !found && signal == "" {
		return err
	}
	key, tx := store.App(project, app), store.Tx{}
	tx.Add(fence)
	switch {
	case !found:
		tx.Add(store.Put(key, appItem{Name: app, Signal: signal}, store.Absent()))
	case signal == "":
		tx.Add(store.Update(key, store.Set("REMOVE #signal"), store.Exists()))
	default:
		tx.Add(store.Update(key, store.Set("SET #signal = ?", signal), store.Exists()))
	}
	return st.db.Transact(ctx, tx)
}

// FileChangeSignal is the signal that an app gets when only its configuration files changed; may be empty.
func (st *Store) FileChangeSignal(ctx context.Context, project, app string) (string, error) {
	var item appItem
	_, err := st.db.Get(ctx, store.App(project, app), false, &item)
	return item.Signal, err
}
