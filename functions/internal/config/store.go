// Package config keeps configuration variables: of the server, of projects and apps, and of runners.
//
// It imports the kernel and the contract. Which variables an app or a runner gets is decided in resolve.go, purely; how much a
// scope may hold is decided in size.go.
package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Store keeps variables. It is safe for concurrent use.
type Store struct{ db *store.DB }

// New returns the configuration of a table.
func New(db *store.DB) *Store { return &Store{db: db} }

// Levels of configuration in the order in which they are applied.
const (
	levelGlobal  = waypointv1.ConfigScope_LEVEL_GLOBAL
	levelProject = waypointv1.ConfigScope_LEVEL_PROJECT
	levelApp     = waypointv1.ConfigScope_LEVEL_APP
)

// Sort keys of variables: project-wide and global ones "V#hash", an app's "V@app#hash", so that an app reads
// no other app's. The hash is of the exact target and the name in lower case: a name exists once per target. Input
// variables are "V#i#hash", found by the same query; their names are told apart by case, as waypoint.hcl does.
const (
	configPrefix = "V#"
	inputPrefix  = configPrefix + "i#"
	// appsPrefix begins those of every app.
	appsPrefix = "V@"
)

func configAppPrefix(app string) string { return appsPrefix + app + "#" }

// configVarKey is where a variable of that scope and name stands.
func configVarKey(scope *waypointv1.ConfigScope, name string) store.Key {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %t %q %q", scope.GetWorkspace(), scope.GetLabelSelector(), scope.GetRunner(), scope.GetRunnerId(), configName(scope, name))
	sum := hex.EncodeToString(h.Sum(nil)[:16])
	if scope.GetInput() {
		return store.Config(scope.GetProject(), inputPrefix+sum)
	}
	switch scope.GetLevel() {
	case levelApp:
		return store.Config(scope.GetProject(), configAppPrefix(scope.GetApp())+sum)
	case levelProject:
		return store.Config(scope.GetProject(), configPrefix+sum)
	}
	return store.Config("", configPrefix+sum)
}

// configName is the name by which variables of a scope are told apart.
func configName(scope *waypointv1.ConfigScope, name string) string {
	if scope.GetInput() {
		return name
	}
	return strings.ToLower(name)
}

type configItem struct {
	Name      string `dynamodbav:"name"`
	Level     int32  `dynamodbav:"level"`
	Project   string `dynamodbav:"project,omitempty"`
	App       string `dynamodbav:"app,omitempty"`
	Workspace string `dynamodbav:"workspace,omitempty"`
	Selector  string `dynamodbav:"selector,omitempty"`
	Runner    bool   `dynamodbav:"runner,omitempty"`
	RunnerID  string `dynamodbav:"runner_id,omitempty"`
	Input     bool   `dynamodbav:"input,omitempty"`
	Sensitive bool   `dynamodbav:"sensitive,omitempty"`
	Sealed    []byte `dynamodbav:"sealed"`
	// Size is the value's, in bytes.
	Size      int64  `dynamodbav:"size,omitempty"`
	Internal  bool   `dynamodbav:"internal,omitempty"`
	File      bool   `dynamodbav:"file,omitempty"`
	Updated   int64  `dynamodbav:"updated"`
	UpdatedBy string `dynamodbav:"updated_by"`
}

// Variable is a stored variable; its value stays sealed until OpenConfig.
type Variable struct {
	*waypointv1.ConfigVariable
	key    store.Key
	sealed []byte
}

func (i configItem) variable(key store.Key) Variable {
	return Variable{key: key, sealed: i.Sealed, ConfigVariable: &waypointv1.ConfigVariable{
		Name: i.Name, Internal: i.Internal, File: i.File, UpdatedUnix: i.Updated, UpdatedBy: i.UpdatedBy,
		Sensitive: i.Sensitive,
		Scope: &waypointv1.ConfigScope{
			Level: waypointv1.ConfigScope_Level(i.Level), Project: i.Project, App: i.App, Workspace: i.Workspace,
			LabelSelector: i.Selector, Runner: i.Runner, RunnerId: i.RunnerID, Input: i.Input,
		},
	}}
}

// Place tells variables of one name apart: it is the variable's key.
func (v Variable) Place() string { return v.key.String() }

// Size is about what the variable takes in an answer.
func (v Variable) Size() int { return len(v.GetName()) + len(v.sealed) + 200 }

// Open fills in the value.
func Open(ctx context.Context, sealer store.Sealer, v Variable) error {
	plain, err := sealer.Open(ctx, v.key.String(), v.sealed)
	if err != nil {
		return fmt.Errorf("opening the configuration variable %s: %w", v.GetName(), err)
	}
	v.Value = string(plain)
	return nil
}

// Candidates reads the variables that an app (or with app "" a project, with project "" the server) may
// see: global ones, the project's, the app's. Resolve picks among them. all reads those of every app of the
// project too.
func (st *Store) Candidates(ctx context.Context, project, app string, all bool) ([]Variable, error) {
	queries := []store.Query{{PK: store.ConfigPK(""), SKPrefix: configPrefix, Order: store.OldestFirst}}
	if project != "" {
		queries = append(queries, store.Query{PK: store.ConfigPK(project), SKPrefix: configPrefix, Order: store.OldestFirst})
	}
	switch {
	case project != "" && all:
		queries = append(queries, store.Query{PK: store.ConfigPK(project), SKPrefix: "V@", Order: store.OldestFirst})
	case project != "" && app != "":
		queries = append(queries, store.Query{PK: store.ConfigPK(project), SKPrefix: configAppPrefix(app), Order: store.OldestFirst})
	}
	var out []Variable
	for _, q := range queries {
		q.Consistent = true
		items, err := st.db.All(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, raw := range items {
			var item configItem
			if err := store.Decode(raw, &item); err != nil {
				return nil, err
			}
			out = append(out, item.variable(store.KeyOf(raw)))
		}
	}
	return out, nil
}

// versionItem: N counts changes of the project's own variables (or, for the server's item, of the global
// ones); Clock, on the server's item alone, counts all changes everywhere. An entrypoint whose etag has the
// current Clock is up to date: one weak read of half a unit says so.
type versionItem struct {
	N     int64 `dynamodbav:"n,omitempty"`
	Clock int64 `dynamodbav:"clock,omitempty"`
}

// Clock reads the clock alone (half a unit).
func (st *Store) Clock(ctx context.Context) (clock, global int64, err error) {
	var v versionItem
	_, err = st.db.Get(ctx, store.ConfigVersion(""), false, &v)
	return v.Clock, v.N, err
}

// ProjectVersion reads a project's version, strongly.
func (st *Store) ProjectVersion(ctx context.Context, project string) (int64, error) {
	var v versionItem
	_, err := st.db.Get(ctx, store.ConfigVersion(project), true, &v)
	return v.N, err
}

// RunnerRequest asks for the configuration of a runner for one job.
type RunnerRequest struct {
	Project, App string
	// Target is the runner: its labels are those of its token.
	Target  Target
	Matches func(selector string, labels map[string]string) bool
	// Runner: the variables meant for runners are for this one. Sensitive: it gets sensitive input variables.
	Runner, Sensitive bool
}

// RunnerEnv is what a runner gets of the variables meant for runners. Withheld names those that it would get if they were
// for it.
type RunnerEnv struct {
	Values   map[string]string
	Withheld []string
	// Sensitive names those in Values that were set so.
	Sensitive []string
}

// ForRunner is the configuration of a runner for one job: the variables meant for runners, and the values of the
// project's input variables in the job's workspace; resolved and opened.
func (st *Store) ForRunner(ctx context.Context, in RunnerRequest, sealer store.Sealer) (env RunnerEnv, input []*waypointv1.Variable, err error) {
	candidates, err := st.Candidates(ctx, in.Project, in.App, false)
	if err != nil {
		return env, nil, err
	}
	target := in.Target
	target.Runner, target.Input = true, false
	env.Values = map[string]string{}
	for _, v := range Resolve(candidates, target, in.Matches) {
		if v.GetInternal() || v.GetFile() {
			continue
		}
		if !in.Runner {
			env.Withheld = append(env.Withheld, v.GetName())
			continue
		}
		if err := Open(ctx, sealer, v); err != nil {
			return env, nil, err
		}
		env.Values[v.GetName()] = v.GetValue()
		if v.GetSensitive() {
			env.Sensitive = append(env.Sensitive, v.GetName())
		}
	}
	for _, v := range Resolve(candidates, Target{Workspace: target.Workspace, Input: true}, in.Matches) {
		if v.GetSensitive() && !in.Sensitive {
			continue
		}
		if err := Open(ctx, sealer, v); err != nil {
			return env, nil, err
		}
		input = append(input, &waypointv1.Variable{
			Name: v.GetName(), Value: v.GetValue(), Sensitive: v.GetSensitive(),
			Source: waypointv1.VariableSource_VARIABLE_SOURCE_SERVER,
		})
	}
	return env, input, nil
}
