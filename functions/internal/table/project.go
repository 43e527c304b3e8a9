package table

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Sealer encrypts what users keep with the server; *secret.Sealer is it. aad names the item and attribute.
type Sealer interface {
	Seal(ctx context.Context, aad string, plain []byte) ([]byte, error)
	Open(ctx context.Context, aad string, sealed []byte) ([]byte, error)
}

type projectItem struct {
	Name    string            `dynamodbav:"name"`
	Remote  bool              `dynamodbav:"remote"`
	Source  []byte            `dynamodbav:"source,omitempty"`
	Secrets []byte            `dynamodbav:"secrets,omitempty"`
	Labels  map[string]string `dynamodbav:"labels,omitempty"`
	// HCL is packed.
	HCL      []byte `dynamodbav:"hcl,omitempty"`
	Created  int64  `dynamodbav:"created"`
	Updated  int64  `dynamodbav:"updated"`
	Version  int64  `dynamodbav:"ver"`
	Index1PK string `dynamodbav:"gsi1pk"`
	Index1SK string `dynamodbav:"gsi1sk"`
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

// hclMost bounds a stored waypoint.hcl after compression: DynamoDB's item limit is 400 KB.
const hclMost = 350 << 10

// ProjectNotFound is the refusal for a project that is not there.
func ProjectNotFound(name string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.ProjectNotFound, "there is no project %q", name).
		WithHint("Run `waypoint init` in its directory, or list the projects: waypoint project list.").WithFact("project", name)
}

// AppNotFound is the refusal for an app that is not there.
func AppNotFound(project, app string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.AppNotFound, "project %q has no app %q", project, app).
		WithHint("Run `waypoint init` after adding it to waypoint.hcl, or list the apps: waypoint project inspect %s.", project).
		WithFact("project", project).WithFact("app", app)
}

// secretsAAD binds a project's git credentials to it and to the URL that they are for.
func secretsAAD(project, url string) string { return "P#" + project + "/secrets/" + url }

// splitSecrets takes the credentials out of a data source; secrets is nil if there are none.
func splitSecrets(src *waypointv1.DataSource) (public *waypointv1.DataSource, secrets *waypointv1.GitSource) {
	git := src.GetGit()
	if git == nil {
		return src, nil
	}
	public = proto.CloneOf(src)
	g := public.GetGit()
	secrets = &waypointv1.GitSource{
		Password: git.GetPassword(), PrivateKeyPem: git.GetPrivateKeyPem(), PrivateKeyPassword: git.GetPrivateKeyPassword(),
	}
	g.Password, g.PrivateKeyPem, g.PrivateKeyPassword = "", "", ""
	// What stands in the URL is a credential, too, a lone name included: hosts take tokens there.
	if clean, user, password, err := validate.SplitGitURL("data_source.git.url", git.GetUrl()); err == nil {
		g.Url = clean
		if secrets.Password == "" {
			secrets.Password = password
		}
		if git.GetUsername() == "" {
			secrets.Username = user
		}
	}
	if proto.Equal(secrets, &waypointv1.GitSource{}) {
		secrets = nil
	}
	return public, secrets
}

// setSource replaces the data source. Credentials that the new source does not bring are kept while its URL
// stays the same, and dropped when it changes: they must not travel to another host.
func (i *projectItem) setSource(ctx context.Context, sealer Sealer, src *waypointv1.DataSource) error {
	if src == nil {
		i.Source, i.Secrets = nil, nil
		return nil
	}
	old := &waypointv1.DataSource{}
	if err := proto.Unmarshal(i.Source, old); err != nil {
		return fmt.Errorf("reading the data source of project %s: %w", i.Name, err)
	}
	public, secrets := splitSecrets(src)
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(public)
	if err != nil {
		return fmt.Errorf("storing the data source: %w", err)
	}
	url := public.GetGit().GetUrl()
	switch {
	case secrets != nil:
		plain, err := proto.Marshal(secrets)
		if err != nil {
			return fmt.Errorf("storing the data source: %w", err)
		}
		if i.Secrets, err = sealer.Seal(ctx, secretsAAD(i.Name, url), plain); err != nil {
			return fmt.Errorf("storing the data source: %w", err)
		}
	case url == "" || url != old.GetGit().GetUrl():
		i.Secrets = nil
	}
	i.Source = raw
	return nil
}

func (i *projectItem) source() (*waypointv1.DataSource, error) {
	if len(i.Source) == 0 {
		return nil, nil
	}
	src := &waypointv1.DataSource{}
	if err := proto.Unmarshal(i.Source, src); err != nil {
		return nil, fmt.Errorf("reading the data source of project %s: %w", i.Name, err)
	}
	return src, nil
}

func (i *projectItem) message() (*waypointv1.Project, error) {
	src, err := i.source()
	if err != nil {
		return nil, err
	}
	src, _ = splitSecrets(src) // an earlier release kept passwords in URLs
	hcl, err := unpack(i.HCL)
	if err != nil {
		return nil, fmt.Errorf("reading the waypoint.hcl of project %s: %w", i.Name, err)
	}
	return &waypointv1.Project{
		Name: i.Name, RemoteEnabled: i.Remote, DataSource: src, Labels: i.Labels, WaypointHcl: hcl,
		CreatedUnix: i.Created, UpdatedUnix: i.Updated,
	}, nil
}

// ProjectDataSource is the project's data source with its credentials, for the runner that claimed a job of
// it and nobody else; nil if the project has none.
func (t *Table) ProjectDataSource(ctx context.Context, project string, sealer Sealer) (*waypointv1.DataSource, error) {
	var item projectItem
	found, err := t.Get(ctx, ProjectMeta(project), true, &item)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ProjectNotFound(project)
	}
	src, err := item.source()
	if err != nil || src.GetGit() == nil || len(item.Secrets) == 0 {
		return src, err
	}
	git := src.GetGit()
	plain, err := sealer.Open(ctx, secretsAAD(project, git.GetUrl()), item.Secrets)
	if err != nil {
		return nil, fmt.Errorf("opening the git credentials of project %s: %w", project, err)
	}
	if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(plain, git); err != nil {
		return nil, fmt.Errorf("opening the git credentials of project %s: %w", project, err)
	}
	return src, nil
}

// GetProject reads a project with its apps and workspaces in one strong query; PROJECT_NOT_FOUND if absent.
func (t *Table) GetProject(ctx context.Context, name string) (*waypointv1.GetProjectResponse, error) {
	items, err := t.QueryAll(ctx, QueryInput{PK: ProjectPK(name), Forward: true, Consistent: true}, 0)
	if err != nil {
		return nil, err
	}
	out := &waypointv1.GetProjectResponse{}
	for _, raw := range items {
		switch sk := KeyOf(raw).SK; {
		case sk == ProjectMeta(name).SK:
			var item projectItem
			if err := Decode(raw, &item); err != nil {
				return nil, err
			}
			if out.Project, err = item.message(); err != nil {
				return nil, err
			}
		case strings.HasPrefix(sk, AppPrefix):
			var item appItem
			if err := Decode(raw, &item); err != nil {
				return nil, err
			}
			out.Apps = append(out.Apps, item.message(name))
		case strings.HasPrefix(sk, WorkspacePrefix):
			var item workspaceItem
			if err := Decode(raw, &item); err != nil {
				return nil, err
			}
			out.Workspaces = append(out.Workspaces, &waypointv1.Workspace{
				Project: name, Name: item.Name, FirstUsedUnix: item.First, LastUsedUnix: item.Last,
			})
		}
	}
	if out.Project == nil {
		return nil, ProjectNotFound(name)
	}
	return out, nil
}

func (i appItem) message(project string) *waypointv1.App {
	return &waypointv1.App{Project: project, Name: i.Name, Labels: i.Labels, FileChangeSignal: i.Signal}
}

// CheckApp says whether a project, and an app of it if app is not empty, are there: PROJECT_NOT_FOUND or
// APP_NOT_FOUND. It reads weakly, and strongly only before it refuses.
func (t *Table) CheckApp(ctx context.Context, project, app string) error {
	keys := []Key{ProjectMeta(project)}
	if app != "" {
		keys = append(keys, App(project, app))
	}
	for _, strong := range []bool{false, true} {
		found, err := t.BatchGet(ctx, keys, strong)
		switch {
		case err != nil:
			return err
		case len(found) == len(keys):
			return nil
		case !strong:
		case found[keys[0]] == nil:
			return ProjectNotFound(project)
		}
	}
	return AppNotFound(project, app)
}

// ListProjects lists projects by name; only names it if those are not nil.
func (t *Table) ListProjects(ctx context.Context, size int, token string, only []string) (out []*waypointv1.Project, next string, err error) {
	var raw []Item
	if only != nil {
		raw, err = t.someProjects(ctx, only)
	} else {
		var page []Item
		page, next, err = t.Query(ctx, QueryInput{Index: Index1, PK: ProjectsIndex, Forward: true, Limit: size, Token: token})
		if err == nil {
			raw, err = t.Hydrate(ctx, page)
		}
	}
	if err != nil {
		return nil, "", err
	}
	for _, r := range raw {
		var item projectItem
		if err := Decode(r, &item); err != nil {
			return nil, "", err
		}
		item.HCL = nil // lists show no file
		p, err := item.message()
		if err != nil {
			return nil, "", err
		}
		out = append(out, p)
	}
	return out, next, nil
}

func (t *Table) someProjects(ctx context.Context, names []string) ([]Item, error) {
	names = slices.Sorted(slices.Values(names))
	keys := make([]Key, len(names))
	for i, name := range names {
		keys[i] = ProjectMeta(name)
	}
	found, err := t.BatchGet(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, k := range keys {
		if item, ok := found[k]; ok {
			out = append(out, item)
		}
	}
	return out, nil
}

// upsertTries bounds how often a project that others change at the same time is read again.
const upsertTries = 8

// UpsertProject creates or changes a project and adds or changes apps: fields as the contract says. extra is
// made anew for each try and committed with the change (audit, idempotency); what would change nothing is not
// written at all.
func (t *Table) UpsertProject(ctx context.Context, req *waypointv1.UpsertProjectRequest, sealer Sealer,
	extra func() ([]TxAction, error),
) (*waypointv1.UpsertProjectResponse, error) {
	name := req.GetProject().GetName()
	waits := contention.Start()
	for try := 1; ; try++ {
		var old projectItem
		exists, err := t.Get(ctx, ProjectMeta(name), true, &old)
		if err != nil {
			return nil, err
		}
		next := old
		if err := t.changeProject(ctx, &next, req, sealer, exists); err != nil {
			return nil, err
		}
		tx := Tx{}
		if !exists || !old.same(next) {
			next.Updated = t.Now().Unix()
			if !exists {
				next.Created = next.Updated
			}
			next.Version = old.Version + 1
			cond := Absent()
			if exists {
				cond = If("#ver = ?", old.Version)
			}
			tx.Add(Put(ProjectMeta(name), next, cond).Named("project"))
		}
		apps, err := t.changedApps(ctx, name, req.GetApps(), &tx)
		if err != nil {
			return nil, err
		}
		if tx.Len() > 0 {
			more, err := extra()
			if err != nil {
				return nil, err
			}
			err = t.Transact(ctx, *tx.Add(more...))
			if _, raced := Failed(err, "project"); raced && try < upsertTries {
				if err := pause(ctx, waits); err != nil {
					return nil, err
				}
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		p, err := next.message()
		if err != nil {
			return nil, err
		}
		return &waypointv1.UpsertProjectResponse{Project: p, Apps: apps, Created: !exists}, nil
	}
}

func (t *Table) changeProject(ctx context.Context, i *projectItem, req *waypointv1.UpsertProjectRequest, sealer Sealer, exists bool) error {
	p := req.GetProject()
	i.Name, i.Index1PK, i.Index1SK = p.GetName(), ProjectsIndex, p.GetName()
	fields := req.GetUpdateFields()
	if !exists {
		fields = []string{"remote_enabled", "data_source", "labels", "waypoint_hcl"}
	}
	for _, field := range fields {
		switch field {
		case "remote_enabled":
			i.Remote = p.GetRemoteEnabled()
		case "labels":
			i.Labels = p.GetLabels()
		case "data_source":
			if err := i.setSource(ctx, sealer, p.GetDataSource()); err != nil {
				return err
			}
		case "waypoint_hcl":
			if i.HCL = nil; len(p.GetWaypointHcl()) > 0 {
				packed, err := t.pack(p.GetWaypointHcl())
				if err != nil {
					return fmt.Errorf("storing waypoint.hcl: %w", err)
				}
				i.HCL = packed
			}
			if err := validate.Size("waypoint_hcl (compressed)", len(i.HCL), hclMost); err != nil {
				return err
			}
		default:
			return fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, "%q is not a field of a project that can be updated", field).
				WithHint("Use remote_enabled, data_source, labels or waypoint_hcl.").WithFact("field", "update_fields")
		}
	}
	return nil
}

// same says whether nothing but bookkeeping differs. Sealed credentials differ whenever they are given.
func (i *projectItem) same(other projectItem) bool {
	return i.Remote == other.Remote && maps.Equal(i.Labels, other.Labels) && bytes.Equal(i.Source, other.Source) &&
		bytes.Equal(i.Secrets, other.Secrets) && bytes.Equal(i.HCL, other.HCL)
}

// changedApps adds the apps that are new or differ, and returns all of the request's.
func (t *Table) changedApps(ctx context.Context, project string, apps []*waypointv1.App, tx *Tx) ([]*waypointv1.App, error) {
	if len(apps) == 0 {
		return nil, nil
	}
	keys := make([]Key, len(apps))
	for i, app := range apps {
		keys[i] = App(project, app.GetName())
	}
	found, err := t.BatchGet(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	out := make([]*waypointv1.App, len(apps))
	for i, app := range apps {
		next := appItem{Name: app.GetName(), Labels: app.GetLabels(), Signal: app.GetFileChangeSignal()}
		out[i] = next.message(project)
		if raw, ok := found[keys[i]]; ok {
			var old appItem
			if err := Decode(raw, &old); err != nil {
				return nil, err
			}
			if maps.Equal(old.Labels, next.Labels) && old.Signal == next.Signal {
				continue
			}
		}
		tx.Add(Put(keys[i], next))
	}
	return out, nil
}

// TouchWorkspace is the action that notes the use of a workspace.
func TouchWorkspace(project, workspace string, now time.Time) TxAction {
	return Update(Workspace(project, workspace), Set("SET #name = ?, #first = if_not_exists(#first, ?), #last = ?", workspace, now.Unix(), now.Unix()))
}

// FileChangeSignal is the signal that an app wants when only its configuration files changed; may be empty.
func (t *Table) FileChangeSignal(ctx context.Context, project, app string) (string, error) {
	var item appItem
	_, err := t.Get(ctx, App(project, app), false, &item)
	return item.Signal, err
}
