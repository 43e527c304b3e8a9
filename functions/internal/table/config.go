package table

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

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
)

func configAppPrefix(app string) string { return "V@" + app + "#" }

// configVarKey is where a variable of that scope and name stands.
func configVarKey(scope *waypointv1.ConfigScope, name string) Key {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %t %q %q", scope.GetWorkspace(), scope.GetLabelSelector(), scope.GetRunner(), scope.GetRunnerId(), configName(scope, name))
	sum := hex.EncodeToString(h.Sum(nil)[:16])
	if scope.GetInput() {
		return Config(scope.GetProject(), inputPrefix+sum)
	}
	switch scope.GetLevel() {
	case levelApp:
		return Config(scope.GetProject(), configAppPrefix(scope.GetApp())+sum)
	case levelProject:
		return Config(scope.GetProject(), configPrefix+sum)
	}
	return Config("", configPrefix+sum)
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
	Internal  bool   `dynamodbav:"internal,omitempty"`
	File      bool   `dynamodbav:"file,omitempty"`
	Updated   int64  `dynamodbav:"updated"`
	UpdatedBy string `dynamodbav:"updated_by"`
}

// ConfigVar is a stored variable; its value stays sealed until OpenConfig.
type ConfigVar struct {
	*waypointv1.ConfigVariable
	key    Key
	sealed []byte
}

func (i configItem) variable(key Key) ConfigVar {
	return ConfigVar{key: key, sealed: i.Sealed, ConfigVariable: &waypointv1.ConfigVariable{
		Name: i.Name, Internal: i.Internal, File: i.File, UpdatedUnix: i.Updated, UpdatedBy: i.UpdatedBy,
		Sensitive: i.Sensitive,
		Scope: &waypointv1.ConfigScope{
			Level: waypointv1.ConfigScope_Level(i.Level), Project: i.Project, App: i.App, Workspace: i.Workspace,
			LabelSelector: i.Selector, Runner: i.Runner, RunnerId: i.RunnerID, Input: i.Input,
		},
	}}
}

// OpenConfig fills in the value.
func OpenConfig(ctx context.Context, sealer Sealer, v ConfigVar) error {
	plain, err := sealer.Open(ctx, v.key.String(), v.sealed)
	if err != nil {
		return fmt.Errorf("opening the configuration variable %s: %w", v.GetName(), err)
	}
	v.Value = string(plain)
	return nil
}

// ConfigCandidates reads the variables that an app (or with app "" a project, with project "" the server) may
// see: global ones, the project's, the app's. Resolve picks among them. all reads those of every app of the
// project too.
func (t *Table) ConfigCandidates(ctx context.Context, project, app string, all bool) ([]ConfigVar, error) {
	queries := []QueryInput{{PK: ConfigPK(""), SKPrefix: configPrefix}}
	if project != "" {
		queries = append(queries, QueryInput{PK: ConfigPK(project), SKPrefix: configPrefix})
	}
	switch {
	case project != "" && all:
		queries = append(queries, QueryInput{PK: ConfigPK(project), SKPrefix: "V@"})
	case project != "" && app != "":
		queries = append(queries, QueryInput{PK: ConfigPK(project), SKPrefix: configAppPrefix(app)})
	}
	var out []ConfigVar
	for _, q := range queries {
		q.Forward, q.Consistent = true, true
		items, err := t.QueryAll(ctx, q, 0)
		if err != nil {
			return nil, err
		}
		for _, raw := range items {
			var item configItem
			if err := Decode(raw, &item); err != nil {
				return nil, err
			}
			out = append(out, item.variable(KeyOf(raw)))
		}
	}
	return out, nil
}

// ConfigTarget is for whom configuration is resolved.
type ConfigTarget struct {
	Workspace string
	Labels    map[string]string
	// Runner asks for a runner's own configuration; RunnerID says which runner's.
	Runner   bool
	RunnerID string
	// Input asks for the input variables of waypoint.hcl.
	Input bool
}

// ResolveConfig picks one variable per name, by Waypoint's rules (reference §8): global, then project, then
// app, later ones win; in each, without a workspace before with one, then any runner before an exact one,
// then the shorter before the longer label selector. What is meant for another workspace, for other labels,
// or (for an app) for a runner, does not take part. The answer is sorted by name. matches evaluates selectors.
func ResolveConfig(candidates []ConfigVar, target ConfigTarget, matches func(selector string, labels map[string]string) bool) []ConfigVar {
	var in []ConfigVar
	for _, v := range candidates {
		s := v.GetScope()
		switch {
		case s.GetInput() != target.Input, s.GetRunner() != target.Runner,
			s.GetRunnerId() != "" && s.GetRunnerId() != target.RunnerID,
			s.GetWorkspace() != "" && s.GetWorkspace() != target.Workspace,
			!matches(s.GetLabelSelector(), target.Labels):
			continue
		}
		in = append(in, v)
	}
	slices.SortStableFunc(in, func(a, b ConfigVar) int {
		x, y := a.GetScope(), b.GetScope()
		return cmp.Or(
			cmp.Compare(x.GetLevel(), y.GetLevel()),
			cmp.Compare(min(len(x.GetWorkspace()), 1), min(len(y.GetWorkspace()), 1)),
			cmp.Compare(min(len(x.GetRunnerId()), 1), min(len(y.GetRunnerId()), 1)),
			cmp.Compare(len(x.GetLabelSelector()), len(y.GetLabelSelector())),
			cmp.Compare(x.GetLabelSelector(), y.GetLabelSelector()),
		)
	})
	byName := map[string]ConfigVar{}
	for _, v := range in {
		byName[configName(v.GetScope(), v.GetName())] = v
	}
	out := make([]ConfigVar, 0, len(byName))
	for _, v := range byName {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b ConfigVar) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out
}

// versionItem: N counts changes of the project's own variables (or, for the server's item, of the global
// ones); Clock, on the server's item alone, counts all changes everywhere. An entrypoint whose etag has the
// current Clock is up to date: one weak read of half a unit says so.
type versionItem struct {
	N     int64 `dynamodbav:"n,omitempty"`
	Clock int64 `dynamodbav:"clock,omitempty"`
}

// ConfigClock reads the clock alone (half a unit).
func (t *Table) ConfigClock(ctx context.Context) (clock, global int64, err error) {
	var v versionItem
	_, err = t.Get(ctx, ConfigVersion(""), false, &v)
	return v.Clock, v.N, err
}

// ProjectConfigVersion reads a project's version, strongly.
func (t *Table) ProjectConfigVersion(ctx context.Context, project string) (int64, error) {
	var v versionItem
	_, err := t.Get(ctx, ConfigVersion(project), true, &v)
	return v.N, err
}

// configChunk keeps transactions within DynamoDB's 100 actions and 4 MB; each of them raises the versions.
const configChunk = 40

// emulatorMost is how many actions some emulators take at most, as DynamoDB did until 2022.
const emulatorMost = 10

// limitedToTen says whether a transaction was refused for having more actions than such an emulator takes.
func limitedToTen(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationException" && strings.HasSuffix(strings.TrimSpace(api.ErrorMessage()), "less than or equal to 10")
}

// ConfigChange is what is to become of variables.
type ConfigChange struct {
	Variables []*waypointv1.ConfigVariable
	// Delete removes them all. Else an empty value removes, but for an input variable.
	Delete bool
	// By is who asked for it.
	By string
}

func (c ConfigChange) deletes(v *waypointv1.ConfigVariable) bool {
	return c.Delete || v.GetValue() == "" && !v.GetScope().GetInput()
}

// SetConfig sets and deletes variables. Those that are there already with the same value are
// not written, so that syncing an unchanged waypoint.hcl costs reads alone. Every transaction holds the fence
// actions; the last one also holds last (audit, idempotency): a crash between two leaves work that a repeat
// completes. It returns how many variables changed.
func (t *Table) SetConfig(ctx context.Context, change ConfigChange, sealer Sealer, fence, last []TxAction) (int, error) {
	actions, projects, err := t.configActions(ctx, change, sealer)
	if err != nil {
		return 0, err
	}
	changed, chunk := len(actions), configChunk
	for {
		n := min(len(actions), chunk)
		tx := Tx{}
		tx.Add(fence...)
		tx.Add(actions[:n]...)
		if n > 0 && len(projects) > 0 {
			tx.Add(bumpVersions(projects)...)
		}
		if n == len(actions) {
			tx.Add(last...)
		}
		err := t.Transact(ctx, tx)
		switch {
		case chunk == configChunk && limitedToTen(err):
			chunk = max(1, emulatorMost-len(fence)-len(projects)-1-len(last))
		case err != nil:
			return 0, err
		case n == len(actions):
			return changed, nil
		default:
			actions = actions[n:]
		}
	}
}

// bumpVersions raises the versions of all that changed; projects[""] stands for the global variables.
func bumpVersions(projects map[string]bool) []TxAction {
	server := Set("ADD #clock ?", 1)
	if projects[""] {
		server = Set("ADD #clock ?, #n ?", 1, 1)
	}
	out := []TxAction{Update(ConfigVersion(""), server)}
	for project := range projects {
		if project != "" {
			out = append(out, Update(ConfigVersion(project), Set("ADD #n ?", 1)))
		}
	}
	return out
}

func (t *Table) configActions(ctx context.Context, change ConfigChange, sealer Sealer) ([]TxAction, map[string]bool, error) {
	last := map[Key]*waypointv1.ConfigVariable{} // a name given twice: the last counts
	var keys []Key
	for _, v := range change.Variables {
		key := configVarKey(v.GetScope(), v.GetName())
		if last[key] == nil {
			keys = append(keys, key)
		}
		last[key] = v
	}
	found, err := t.BatchGet(ctx, keys, true)
	if err != nil {
		return nil, nil, err
	}
	var actions []TxAction
	projects := map[string]bool{}
	for _, key := range keys {
		action, differs, err := t.configAction(ctx, key, last[key], found[key], change, sealer)
		if err != nil {
			return nil, nil, err
		}
		if differs {
			actions = append(actions, action)
			if s := last[key].GetScope(); !s.GetInput() {
				projects[configProject(s)] = true // apps need not look again for input variables
			}
		}
	}
	return actions, projects, nil
}

// configProject is the project whose version a scope belongs to; "" for global ones.
func configProject(s *waypointv1.ConfigScope) string {
	if s.GetLevel() == levelGlobal {
		return ""
	}
	return s.GetProject()
}

func (t *Table) configAction(ctx context.Context, key Key, v *waypointv1.ConfigVariable, old Item, change ConfigChange, sealer Sealer) (TxAction, bool, error) {
	if change.deletes(v) {
		return Delete(key), old != nil, nil
	}
	if old != nil {
		var item configItem
		if err := Decode(old, &item); err != nil {
			return TxAction{}, false, err
		}
		v = staySensitive(v, item)
		have := item.variable(key)
		if err := OpenConfig(ctx, sealer, have); err == nil && have.GetValue() == v.GetValue() &&
			have.GetInternal() == v.GetInternal() && have.GetFile() == v.GetFile() && have.GetName() == v.GetName() &&
			have.GetSensitive() == v.GetSensitive() {
			return TxAction{}, false, nil
		}
	}
	sealed, err := sealer.Seal(ctx, key.String(), []byte(v.GetValue()))
	if err != nil {
		return TxAction{}, false, fmt.Errorf("storing the configuration variable %s: %w", v.GetName(), err)
	}
	s := v.GetScope()
	item := configItem{
		Name: v.GetName(), Level: int32(s.GetLevel()), Workspace: s.GetWorkspace(), Selector: s.GetLabelSelector(),
		Runner: s.GetRunner(), RunnerID: s.GetRunnerId(), Sealed: sealed, Internal: v.GetInternal(), File: v.GetFile(),
		Input: s.GetInput(), Sensitive: v.GetSensitive(), Updated: t.Now().Unix(), UpdatedBy: change.By,
	}
	if s.GetLevel() != levelGlobal {
		item.Project = s.GetProject()
	}
	if s.GetLevel() == levelApp {
		item.App = s.GetApp()
	}
	return Put(key, item), true, nil
}

// staySensitive is a new value of a variable that is stored: it is sensitive if the old one was. Somebody who sets a password
// anew and forgets the flag does not show it. Of an input variable the flag counts each time, as waypoint.hcl can give it.
func staySensitive(v *waypointv1.ConfigVariable, old configItem) *waypointv1.ConfigVariable {
	if !old.Sensitive || v.GetSensitive() || v.GetScope().GetInput() {
		return v
	}
	v = proto.CloneOf(v)
	v.Sensitive = true
	return v
}

// RunnerConfigInput asks for the configuration of a runner for one job.
type RunnerConfigInput struct {
	Project, App string
	// Target is the runner: its labels are those of its token.
	Target  ConfigTarget
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

// RunnerConfig is the configuration of a runner for one job: the variables meant for runners, and the values of the
// project's input variables in the job's workspace; resolved and opened.
func (t *Table) RunnerConfig(ctx context.Context, in RunnerConfigInput, sealer Sealer) (env RunnerEnv, input []*waypointv1.Variable, err error) {
	candidates, err := t.ConfigCandidates(ctx, in.Project, in.App, false)
	if err != nil {
		return env, nil, err
	}
	target := in.Target
	target.Runner, target.Input = true, false
	env.Values = map[string]string{}
	for _, v := range ResolveConfig(candidates, target, in.Matches) {
		if v.GetInternal() || v.GetFile() {
			continue
		}
		if !in.Runner {
			env.Withheld = append(env.Withheld, v.GetName())
			continue
		}
		if err := OpenConfig(ctx, sealer, v); err != nil {
			return env, nil, err
		}
		env.Values[v.GetName()] = v.GetValue()
		if v.GetSensitive() {
			env.Sensitive = append(env.Sensitive, v.GetName())
		}
	}
	for _, v := range ResolveConfig(candidates, ConfigTarget{Workspace: target.Workspace, Input: true}, in.Matches) {
		if v.GetSensitive() && !in.Sensitive {
			continue
		}
		if err := OpenConfig(ctx, sealer, v); err != nil {
			return env, nil, err
		}
		input = append(input, &waypointv1.Variable{
			Name: v.GetName(), Value: v.GetValue(), Sensitive: v.GetSensitive(),
			Source: waypointv1.VariableSource_VARIABLE_SOURCE_SERVER,
		})
	}
	return env, input, nil
}
