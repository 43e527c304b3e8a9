package plugintest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// SampleConfig configures every kind of the sample.
type SampleConfig struct {
	// Values that later stages see.
	Values map[string]string `hcl:"values,optional"`
	// Secret that the component gets to know, and shows.
	Secret string `hcl:"secret,optional"`
	// What the component does: "wait" for the end of its context, "fail", "panic", or return a state that is too "large".
	Do string `hcl:"do,optional"`
}

// Sample is a plugin with every kind and every optional interface. Its deployments, releases and tasks are files in the
// state directory that are named after their ids.
func Sample() catalog.Definition {
	d := catalog.Definition{
		Name: "sample", Summary: "Keep files, for the tests of the contract.", Example: "use \"sample\" {}",
		Builder:       func() plugin.Builder { return &sampleBuilder{} },
		Registry:      func() plugin.Registry { return &sampleRegistry{} },
		Platform:      func() plugin.Platform { return &samplePlatform{} },
		Releaser:      func() plugin.Releaser { return &sampleReleaser{} },
		TaskLauncher:  func() plugin.TaskLauncher { return &sampleLauncher{} },
		ConfigSourcer: func() plugin.ConfigSourcer { return &sampleSourcer{} },
	}
	for _, kind := range schema.Kinds() {
		d.Schemas = append(d.Schemas, schema.Component{Kind: kind, Summary: "A sample.", Config: schema.New[SampleConfig], Open: true})
	}
	return d
}

type sample struct{ config SampleConfig }

func (s *sample) Config() any { return &s.config }

// act does what the configuration says.
func (s *sample) act(ctx context.Context, call *plugin.Call) (plugin.Result, error) {
	step := call.UI.Step("Working on %s", call.App)
	if s.config.Secret != "" {
		call.Secrets.Add(s.config.Secret)
		call.UI.Line(plugin.Info, "The secret is %s", s.config.Secret)
		_, _ = fmt.Fprintf(call.UI.Stdout(), "printed: %s\n", s.config.Secret)
		call.Logger.InfoContext(ctx, "a careless plugin", "secret", s.config.Secret)
	}
	switch s.config.Do {
	case "wait":
		<-ctx.Done()
		step.Fail("Stopped: %v", context.Cause(ctx))
		return plugin.Result{}, context.Cause(ctx)
	case "fail":
		step.Fail("")
		return plugin.Result{}, fmt.Errorf("working: %w", &plugin.Error{Message: "it failed", Hint: "Try again.", Cause: errors.New("no reason")})
	case "panic":
		panic("the sample panics")
	case "large":
		step.Done("")
		return plugin.Result{State: strings.Repeat("x", plugin.MaxState)}, nil
	}
	if err := context.Cause(ctx); err != nil {
		step.Fail("")
		return plugin.Result{}, err
	}
	_, _ = io.WriteString(step.Output(), "one line\n")
	call.UI.Table([]string{"A", "B"}, [][]string{{"1", "2"}})
	call.UI.NamedValues([2]string{"name", "value"})
	step.Done("Worked")
	template := map[string]any{}
	for k, v := range s.config.Values {
		template[k] = v
	}
	return plugin.Result{State: map[string]string{"kept": "yes"}, Template: template, Labels: map[string]string{"sample": "yes"}, Portable: true}, nil
}

// ValidateAuth: the sample has no credentials of its own and asks the runner for one.
func (s *sample) ValidateAuth(ctx context.Context, call *plugin.Call) error {
	if call.Credential == nil {
		return plugin.ErrNoCredential
	}
	c, err := call.Credential(ctx, plugin.CredentialRequest{Kind: plugin.CredentialGit, Address: "https://git.example.com/"})
	if err != nil {
		return err
	}
	call.UI.Line(plugin.Info, "%s has the password %s", c.Username, c.Password)
	return nil
}

func (s *sample) Authenticate(context.Context, *plugin.Call) error {
	return &plugin.Error{Message: "the sample cannot log in", Hint: "Use another plugin."}
}

type sampleBuilder struct{ sample }

func (b *sampleBuilder) Build(ctx context.Context, call *plugin.Call) (*plugin.Result, error) {
	r, err := b.act(ctx, call)
	return &r, err
}

func (b *sampleBuilder) DestroyWorkspace(context.Context, *plugin.Call) error { return nil }

type sampleRegistry struct{ sample }

func (b *sampleRegistry) Push(ctx context.Context, call *plugin.Call, a *plugin.Artifact) (*plugin.Result, error) {
	r, err := b.act(ctx, call)
	if err == nil && r.Template != nil {
		r.Template["from"] = a.Plugin
	}
	return &r, err
}

// file is where a thing with that id is kept.
func file(call *plugin.Call, id string) string { return filepath.Join(call.StateDir, id) }

type samplePlatform struct{ sample }

func (p *samplePlatform) Deploy(ctx context.Context, call *plugin.Call, req *plugin.DeployRequest) (*plugin.DeployResult, error) {
	if err := os.WriteFile(file(call, req.DeploymentID), nil, 0o600); err != nil {
		return nil, err
	}
	r, err := p.act(ctx, call)
	resources := []plugin.Resource{{Name: req.DeploymentID, Type: "file", Health: plugin.Ready, State: map[string]any{"size": 0}}}
	return &plugin.DeployResult{Result: r, URL: "http://sample.test", Resources: resources}, err
}

func (p *samplePlatform) DeployRerunnable() bool { return p.config.Do != "fail" }

func (p *samplePlatform) Generation(_ context.Context, call *plugin.Call) (string, error) {
	return call.App, nil
}

func (p *samplePlatform) DeployInputs(_ context.Context, call *plugin.Call) (*plugin.DeployInputs, error) {
	return &plugin.DeployInputs{Known: true, Values: []string{call.App}}, nil
}

func (p *samplePlatform) DefaultReleaser() plugin.Releaser {
	return &sampleReleaser{sample: p.sample}
}

func (p *samplePlatform) DestroyDeployment(_ context.Context, call *plugin.Call, d *plugin.Deployment) error {
	return remove(call, d.ID)
}

func (p *samplePlatform) DestroyWorkspace(context.Context, *plugin.Call) error { return nil }

func (p *samplePlatform) DeploymentStatus(_ context.Context, call *plugin.Call, d *plugin.Deployment) (*plugin.Status, error) {
	return health(call, d.ID), nil
}

func (p *samplePlatform) OwnLogs(d *plugin.Deployment) bool { return d.ID != "" }

func (p *samplePlatform) DeploymentLogs(ctx context.Context, _ *plugin.Call, d *plugin.Deployment, lines int, follow bool, show func(plugin.LogLine)) error {
	for n := range max(lines, 1) {
		show(plugin.LogLine{Time: time.Unix(int64(n), 5), Text: fmt.Sprintf("line %d of %s", n, d.ID), Stderr: n%2 == 1})
	}
	if follow {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

// Exec is an echo: what the user types comes back, and the exit code is the number of lines.
func (p *samplePlatform) Exec(_ context.Context, _ *plugin.Call, _ *plugin.Deployment, session *plugin.ExecSession) (int, error) {
	_, _ = fmt.Fprintln(session.Stderr, strings.Join(session.Command, " "))
	if session.TTY != nil {
		_, _ = fmt.Fprintf(session.Stderr, "%dx%d\n", session.TTY.Rows, session.TTY.Columns)
	}
	lines := 0
	if session.Stdin != nil {
		for in := bufio.NewScanner(session.Stdin); in.Scan(); lines++ {
			_, _ = fmt.Fprintln(session.Stdout, in.Text())
		}
	}
	return lines, nil
}

type sampleReleaser struct{ sample }

func (r *sampleReleaser) Release(ctx context.Context, call *plugin.Call, _ *plugin.Deployment) (*plugin.ReleaseResult, error) {
	made, err := r.act(ctx, call)
	return &plugin.ReleaseResult{Result: made, URL: "http://sample.test"}, err
}

func (r *sampleReleaser) ReleaseRerunnable() bool { return true }

func (r *sampleReleaser) DestroyRelease(context.Context, *plugin.Call, *plugin.Release) error {
	return nil
}

func (r *sampleReleaser) ReleaseStatus(context.Context, *plugin.Call, *plugin.Release) (*plugin.Status, error) {
	return &plugin.Status{Health: plugin.Ready, Message: "released"}, nil
}

type sampleLauncher struct{ sample }

func (l *sampleLauncher) StartTask(ctx context.Context, call *plugin.Call, req *plugin.TaskRequest) (*plugin.Result, error) {
	if err := os.WriteFile(file(call, req.ID), nil, 0o600); err != nil {
		return nil, err
	}
	r, err := l.act(ctx, call)
	return &r, err
}

func (l *sampleLauncher) WatchTask(_ context.Context, _ *plugin.Call, t *plugin.Task, show func(plugin.LogLine)) (*plugin.TaskResult, error) {
	show(plugin.LogLine{Time: time.Now(), Text: "the task " + t.ID + " ran"})
	return &plugin.TaskResult{}, nil
}

func (l *sampleLauncher) StopTask(_ context.Context, call *plugin.Call, t *plugin.Task) error {
	return remove(call, t.ID)
}

type sampleSourcer struct{ sample }

func (s *sampleSourcer) ReadValues(ctx context.Context, call *plugin.Call, requests []plugin.ValueRequest) ([]plugin.Value, error) {
	if _, err := s.act(ctx, call); err != nil {
		return nil, err
	}
	var values []plugin.Value
	for _, r := range requests {
		var wanted struct{ Key string }
		v := plugin.Value{Name: r.Name}
		if v.Err = json.Unmarshal(r.Config, &wanted); v.Err == nil {
			if v.Value = s.config.Values[wanted.Key]; v.Value == "" {
				v.Err = fmt.Errorf("there is no value %q", wanted.Key)
			}
		}
		values = append(values, v)
	}
	return values, nil
}

func remove(call *plugin.Call, id string) error {
	if err := os.Remove(file(call, id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func health(call *plugin.Call, id string) *plugin.Status {
	if _, err := os.Stat(file(call, id)); err != nil {
		return &plugin.Status{Health: plugin.Missing}
	}
	return &plugin.Status{Health: plugin.Ready}
}

// SamplePlugin is the sample as the suite takes it.
func SamplePlugin(d catalog.Definition) Plugin {
	return Plugin{
		Definition: d, OfATest: true,
		Configure: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) {
			config.(*SampleConfig).Values = map[string]string{"a": "1"}
		},
		Slow: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) bool {
			config.(*SampleConfig).Do = "wait"
			return true
		},
		Remains: func(_ testing.TB, call *plugin.Call, id string) bool {
			_, err := os.Stat(file(call, id))
			return err == nil
		},
	}
}
