package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Bound is how long a component may take to return after its context ended. A command has 5 s between the polite signal and
// the kill, and what it printed is drained for 2 s; the rest is for a busy machine.
const Bound = 20 * time.Second

// Plugin is one to hold to the contract.
type Plugin struct {
	// Definition of the plugin, as the runner's catalog has it: over a pipe it is what pluginpipe.Remote made.
	Definition catalog.Definition
	// OfATest: no reference documents the plugin, so the comments of its fields are not known.
	OfATest bool
	// Call makes what the components get; nil: NewCall.
	Call func(t testing.TB) (*plugin.Call, *Screen)
	// Configure fills a component's configuration so that its call succeeds.
	Configure func(t testing.TB, kind schema.Kind, config any, call *plugin.Call)
	// Slow fills it so that the call lasts until its context ends, and reports whether that can be; nil: it cannot.
	Slow func(t testing.TB, kind schema.Kind, config any, call *plugin.Call) bool
	// Artifact is what the registry and the platform get; nil: what the builder makes, or one without state.
	Artifact func(t testing.TB, call *plugin.Call) *plugin.Artifact
	// Remains reports whether something of a deployment is still there; nil: nobody can tell.
	Remains func(t testing.TB, call *plugin.Call, deploymentID string) bool
}

// Run checks all components of the plugin that run, and what is known of the others.
func Run(t *testing.T, p Plugin) {
	if p.Call == nil {
		p.Call = NewCall
	}
	t.Run("definition", func(t *testing.T) { checkDefinition(t, p.Definition, !p.OfATest) })
	c := catalog.NewCatalog(p.Definition)
	for _, kind := range schema.Kinds() {
		if known, ok := p.Definition.Schema(kind); !ok || known.Planned {
			continue
		}
		t.Run(string(kind), func(t *testing.T) { s := &suite{p: p, catalog: c, kind: kind}; s.run(t) })
	}
}

// checkDefinition checks what documentation and `waypoint validate` use, of plugins that do not run yet too.
func checkDefinition(t *testing.T, d catalog.Definition, documented bool) {
	if d.Name == "" || d.Summary == "" || len(d.Components()) == 0 {
		t.Errorf("the definition is not complete: name %q, summary %q, %d components", d.Name, d.Summary, len(d.Components()))
	}
	if !strings.Contains(d.Example, d.Name) {
		t.Errorf("the example does not use the plugin %q", d.Name)
	}
	for _, c := range d.Components() {
		if c.Summary == "" {
			t.Errorf("%s: no summary", c.Kind)
		}
		for _, form := range []func() any{c.Config, c.Source, c.Output} {
			if form == nil {
				continue
			}
			config := form()
			for _, f := range schema.Describe(config) {
				if documented && f.Doc == "" {
					t.Errorf("%s: the field %s has no comment", c.Kind, f.Name)
				}
			}
			checkCarried(t, config)
		}
	}
}

// checkCarried checks that a configuration survives its way to another process.
func checkCarried(t *testing.T, config any) {
	data, err := json.Marshal(config)
	if err != nil {
		t.Errorf("%T cannot be carried to another process: %v", config, err)
		return
	}
	again := reflect.New(reflect.TypeOf(config).Elem()).Interface()
	if err := json.Unmarshal(data, again); err != nil || !reflect.DeepEqual(config, again) {
		t.Errorf("%T changes on its way to another process: %+v, %+v, %v", config, config, again, err)
	}
}

// suite checks one component of a plugin.
type suite struct {
	p       Plugin
	catalog *catalog.Catalog
	kind    schema.Kind
	serial  int
	// prepared is the artifact of a call that is timed, made beforehand.
	prepared *plugin.Artifact
}

func (s *suite) component(t testing.TB, call *plugin.Call, configure func(testing.TB, schema.Kind, any, *plugin.Call)) plugin.Component {
	return s.componentOf(t, s.kind, call, configure)
}

func (s *suite) componentOf(t testing.TB, kind schema.Kind, call *plugin.Call, configure func(testing.TB, schema.Kind, any, *plugin.Call)) plugin.Component {
	t.Helper()
	c, err := s.catalog.Component(kind, s.p.Definition.Name)
	if err != nil {
		t.Fatal(err)
	}
	if config := c.Config(); config != nil && configure != nil {
		configure(t, kind, config, call)
		checkCarried(t.(*testing.T), config)
	}
	return c
}

// id is a new deployment's.
func (s *suite) id() string {
	s.serial++
	return ulid.Make().String() // another one in each run: a killed run may have left what it made
}

func (s *suite) run(t *testing.T) {
	t.Run("does its work", s.works)
	t.Run("returns when its context has ended", s.endsAtOnce)
	t.Run("returns soon after its context ends", s.endsSoon)
	switch s.kind {
	case schema.Platform:
		t.Run("can be destroyed", s.destroys)
	case schema.TaskLauncher:
		t.Run("stops what is gone", s.stops)
	}
}

// made is what a call returned, in one shape for all kinds.
type made struct {
	result *plugin.Result
	url    string
}

// do calls the method that the kind is named after.
func (s *suite) do(ctx context.Context, t testing.TB, c plugin.Component, call *plugin.Call, id string) (made, error) {
	t.Helper()
	switch s.kind {
	case schema.Builder:
		r, err := as[plugin.Builder](t, c).Build(ctx, call)
		return made{result: r}, err
	case schema.Registry:
		r, err := as[plugin.Registry](t, c).Push(ctx, call, s.artifact(t, call))
		return made{result: r}, err
	case schema.Platform:
		call.DeploymentID = id
		r, err := as[plugin.Platform](t, c).Deploy(ctx, call, s.request(t, call, id))
		if err != nil {
			return made{}, err
		}
		return made{result: &r.Result, url: r.URL}, nil
	case schema.Releaser:
		r, err := as[plugin.Releaser](t, c).Release(ctx, call, &plugin.Deployment{ID: id, Plugin: s.p.Definition.Name})
		if err != nil {
			return made{}, err
		}
		return made{result: &r.Result, url: r.URL}, nil
	case schema.TaskLauncher:
		r, err := as[plugin.TaskLauncher](t, c).StartTask(ctx, call, &plugin.TaskRequest{ID: id, Environ: map[string]string{"TOKEN": Token}})
		return made{result: r}, err
	}
	values, err := as[plugin.ConfigSourcer](t, c).ReadValues(ctx, call, []plugin.ValueRequest{{Name: "A", Config: json.RawMessage(`{"key":"a"}`)}})
	return made{result: &plugin.Result{State: len(values)}}, err
}

func as[T any](t testing.TB, c plugin.Component) T {
	t.Helper()
	typed, ok := plugin.As[T](c)
	if !ok {
		t.Fatalf("%T is not a %T", c, *new(T))
	}
	return typed
}

func (s *suite) artifact(t testing.TB, call *plugin.Call) *plugin.Artifact {
	t.Helper()
	if s.prepared != nil {
		return s.prepared
	}
	if s.p.Artifact != nil {
		return s.p.Artifact(t, call)
	}
	a := &plugin.Artifact{ID: "01JBARTIFACT00000000000000", Sequence: 1, Plugin: s.p.Definition.Name, State: json.RawMessage(`{}`)}
	if _, err := s.catalog.Builder(s.p.Definition.Name); err != nil {
		return a
	}
	builder := as[plugin.Builder](t, s.componentOf(t, schema.Builder, call, s.p.Configure))
	r, err := builder.Build(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	a.State, a.Template, a.Portable = mustMarshal(t, r), r.Template, r.Portable
	return a
}

func mustMarshal(t testing.TB, r *plugin.Result) json.RawMessage {
	t.Helper()
	state, err := r.MarshalState("plugin")
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func (s *suite) request(t testing.TB, call *plugin.Call, id string) *plugin.DeployRequest {
	return &plugin.DeployRequest{
		Artifact: s.artifact(t, call), DeploymentID: id, Sequence: int64(s.serial),
		EntrypointEnv: map[string]string{"WAYPOINT_ENTRYPOINT_TOKEN": Token, "WAYPOINT_DEPLOYMENT_ID": id},
	}
}

// works: the call succeeds, twice with the same ids where a repeat is harmless, and what it returns can be stored.
func (s *suite) works(t *testing.T) {
	call, screen := s.p.Call(t)
	id := s.id()
	if s.kind == schema.Platform {
		t.Cleanup(func() { s.cleanUp(t, call, id) })
	}
	repeats := 1
	for n := 0; n < repeats; n++ {
		c := s.component(t, call, s.p.Configure)
		if s.repeatable(c) {
			repeats = 2
		}
		printed := captured(t, func() {
			got, err := s.do(t.Context(), t, c, call, id)
			if err != nil {
				t.Fatalf("call %d: %v\n%s", n+1, err, screen)
			}
			s.checkResult(t, got)
		})
		if printed != "" {
			t.Errorf("it wrote to the standard output or error of its process: %q", printed)
		}
	}
	if text := screen.String(); strings.Contains(text, Token) {
		t.Errorf("the entrypoint's token is shown:\n%s", text)
	}
	if s.kind == schema.Builder {
		if owner, ok := plugin.As[plugin.WorkspaceDestroyer](s.component(t, call, nil)); ok {
			s.destroyWorkspace(t, call, owner)
		}
	}
}

// repeatable reports whether a repeat with the same ids is harmless.
func (s *suite) repeatable(c plugin.Component) bool {
	switch s.kind {
	case schema.Platform:
		d, ok := plugin.As[plugin.RerunnableDeployer](c)
		return ok && d.DeployRerunnable()
	case schema.Releaser:
		r, ok := plugin.As[plugin.RerunnableReleaser](c)
		return ok && r.ReleaseRerunnable()
	}
	return true
}

func (s *suite) checkResult(t *testing.T, got made) {
	state, err := got.result.MarshalState(s.p.Definition.Name)
	if err != nil {
		t.Error(err)
	}
	var again any
	if err := json.Unmarshal(state, &again); err != nil {
		t.Errorf("the state cannot be read back: %v", err)
	}
	shown, err := json.Marshal(got.result.Template)
	if err != nil {
		t.Errorf("the template values cannot be stored: %v", err)
	}
	for _, text := range []string{string(state), string(shown), got.url} {
		if strings.Contains(text, Token) || strings.Contains(text, Sensitive) {
			t.Errorf("a secret is in what is stored: %s", text)
		}
	}
}

// endsAtOnce: with a context that has ended, the call returns.
func (s *suite) endsAtOnce(t *testing.T) {
	call, _ := s.p.Call(t)
	id := s.id()
	c := s.component(t, call, s.p.Configure)
	why := errors.New("the suite ended the context")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	s.within(t, func() { _, _ = s.do(ctx, t, c, call, id) })
	if s.kind == schema.Platform {
		s.cleanUp(t, call, id)
	}
}

// endsSoon: a call that lasts returns the cause soon after its context ends, and what it leaves is found by the id.
func (s *suite) endsSoon(t *testing.T) {
	call, screen := s.p.Call(t)
	id := s.id()
	slow := false
	c := s.component(t, call, func(t testing.TB, kind schema.Kind, config any, call *plugin.Call) {
		s.p.Configure(t, kind, config, call)
		slow = s.p.Slow != nil && s.p.Slow(t, kind, config, call)
	})
	if !slow {
		t.Skip("no configuration makes this component last")
	}
	if s.kind == schema.Registry || s.kind == schema.Platform {
		s.prepared = s.artifact(t, call)
		defer func() { s.prepared = nil }()
	}
	why := errors.New("the suite ended the context")
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(300*time.Millisecond, func() { cancel(why) })
	defer timer.Stop()
	var err error
	s.within(t, func() { _, err = s.do(ctx, t, c, call, id) })
	if err == nil || !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("it returned %v, not the cause of its context\n%s", err, screen)
	}
	if s.kind == schema.Platform {
		s.cleanUp(t, call, id)
	}
}

// within runs f, which must return within the bound.
func (s *suite) within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(Bound):
		t.Fatalf("it did not return within %s", Bound)
	}
}

// destroys: a deployment can be removed, again, by its id alone, and when there never was one.
func (s *suite) destroys(t *testing.T) {
	call, screen := s.p.Call(t)
	c := s.component(t, call, s.p.Configure)
	destroyer, ok := plugin.As[plugin.DeploymentDestroyer](c)
	if !ok {
		t.Skip("the platform has no DeploymentDestroyer")
	}
	for _, byID := range []bool{false, true} {
		id := s.id()
		got, err := s.do(t.Context(), t, c, call, id)
		if err != nil {
			t.Fatalf("%v\n%s", err, screen)
		}
		d := &plugin.Deployment{ID: id, Plugin: s.p.Definition.Name}
		if !byID {
			d.State, d.URL, d.Template = mustMarshal(t, got.result), got.url, got.result.Template
		}
		s.checkStatus(t, c, call, d)
		for n := range 2 {
			if err := destroyer.DestroyDeployment(t.Context(), call, d); err != nil {
				t.Fatalf("by its id alone: %v, call %d: %v", byID, n+1, err)
			}
		}
		if s.p.Remains != nil && s.p.Remains(t, call, id) {
			t.Errorf("something of the deployment remains (by its id alone: %v)", byID)
		}
		s.checkStatus(t, c, call, d)
	}
	if err := destroyer.DestroyDeployment(t.Context(), call, &plugin.Deployment{ID: s.id()}); err != nil {
		t.Errorf("destroying what never was there: %v", err)
	}
	if owner, ok := plugin.As[plugin.WorkspaceDestroyer](c); ok {
		s.destroyWorkspace(t, call, owner)
	}
}

func (s *suite) checkStatus(t *testing.T, c plugin.Component, call *plugin.Call, d *plugin.Deployment) {
	t.Helper()
	asker, ok := plugin.As[plugin.DeploymentStatusReporter](c)
	if !ok {
		return
	}
	st, err := asker.DeploymentStatus(t.Context(), call, d)
	if err != nil || st.Health == "" {
		t.Errorf("its status: %+v, %v", st, err)
	}
	s.checkInputs(t, c, call)
}

// checkInputs checks that what a deployment is made of is the same until something changes. Another order of the
// environment is not a change.
func (s *suite) checkInputs(t *testing.T, c plugin.Component, call *plugin.Call) {
	t.Helper()
	asker, ok := plugin.As[plugin.UnchangedDeployer](c)
	if !ok {
		return
	}
	one, err := asker.DeployInputs(t.Context(), call)
	turned := *call
	turned.AppEnviron = slices.Clone(call.AppBase())
	slices.Reverse(turned.AppEnviron)
	two, again := asker.DeployInputs(t.Context(), &turned)
	if err != nil || again != nil || !reflect.DeepEqual(one, two) || one == nil || !one.Known {
		t.Errorf("its inputs: %+v, %v, and then %+v, %v", one, err, two, again)
	}
}

func (s *suite) destroyWorkspace(t *testing.T, call *plugin.Call, owner plugin.WorkspaceDestroyer) {
	t.Helper()
	for n := range 2 {
		if err := owner.DestroyWorkspace(t.Context(), call); err != nil {
			t.Errorf("destroying the workspace, call %d: %v", n+1, err)
		}
	}
}

// cleanUp removes a deployment by its id alone, as after a kill.
func (s *suite) cleanUp(t *testing.T, call *plugin.Call, id string) {
	t.Helper()
	c := s.component(t, call, s.p.Configure)
	destroyer, ok := plugin.As[plugin.DeploymentDestroyer](c)
	if !ok {
		return
	}
	ctx := context.WithoutCancel(t.Context())
	if err := destroyer.DestroyDeployment(ctx, call, &plugin.Deployment{ID: id}); err != nil {
		t.Errorf("removing what is left: %v", err)
	}
	if s.p.Remains != nil && s.p.Remains(t, call, id) {
		t.Error("something of the deployment remains")
	}
	if owner, ok := plugin.As[plugin.WorkspaceDestroyer](c); ok {
		if err := owner.DestroyWorkspace(ctx, call); err != nil {
			t.Errorf("destroying the workspace: %v", err)
		}
	}
}

// stops: a task that is gone, or never was there, can be stopped.
func (s *suite) stops(t *testing.T) {
	call, _ := s.p.Call(t)
	c := s.component(t, call, s.p.Configure)
	launcher := as[plugin.TaskLauncher](t, c)
	id := s.id()
	got, err := s.do(t.Context(), t, c, call, id)
	if err != nil {
		t.Fatal(err)
	}
	task := &plugin.Task{ID: id, State: mustMarshal(t, got.result)}
	if r, err := launcher.WatchTask(t.Context(), call, task, func(plugin.LogLine) {}); err != nil || r.ExitCode != 0 {
		t.Errorf("watching it: %+v, %v", r, err)
	}
	for _, one := range []*plugin.Task{task, task, {ID: id}, {ID: s.id()}} {
		if err := launcher.StopTask(t.Context(), call, one); err != nil {
			t.Errorf("stopping %s: %v", one.ID, err)
		}
	}
}

// captured runs f and returns what it wrote to the process's standard output and error.
func captured(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, errOut := os.Stdout, os.Stderr
	text := make(chan string)
	go func() { all, _ := io.ReadAll(r); text <- string(all) }()
	os.Stdout, os.Stderr = w, w
	defer func() { os.Stdout, os.Stderr = out, errOut }()
	func() { defer func() { _ = w.Close() }(); f() }()
	got := <-text
	_ = r.Close()
	return got
}

// CheckDefinition checks what holds for every plugin, also for one that does not run yet: its documentation and the forms of
// its configuration.
func CheckDefinition(t *testing.T, d catalog.Definition) { checkDefinition(t, d, true) }
