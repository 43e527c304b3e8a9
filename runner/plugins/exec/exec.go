// Package exec is the plugin "exec": a platform that deploys any artifact by running a command on the runner.
//
// It does not depend on what the command makes, so it has neither status nor destroy.
package exec

import (
	"context"
	_ "embed" // the example
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/startfail"
	"github.com/waypoint-serverless/waypoint/runner/command"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the platform.
type Config struct {
	// Program and arguments; no shell reads them. "<TPL>" in an argument stands for the path of the first rendered
	// template.
	Command []string `hcl:"command"`
	// Working directory, relative to the app's directory.
	Dir string `hcl:"dir,optional" default:"the app's directory"`
	// Whether the command may be run again when a runner was lost in the middle of it. It gets the same
	// WAYPOINT_DEPLOYMENT_ID then.
	Rerunnable bool `hcl:"rerunnable,optional"`
	// URL of the deployment, if it is known beforehand.
	URL string `hcl:"url,optional"`
	// Files to render before the command runs.
	Template []*Template `hcl:"template,block"`
}

// Template is a file, or a directory of files, to render.
type Template struct {
	// File or directory, relative to the app's directory. Its text may use HCL's template syntax, "${artifact.image}",
	// with artifact, deploy.id, deploy.sequence, entrypoint.env, labels, app.name, project.name, workspace.name,
	// path.app and path.project.
	Path string `hcl:"path"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// URL of the deployment, if the configuration says it.
	URL string `hcl:"url"`
}

// placeholder stands for the path of the first rendered template.
const placeholder = "<TPL>"

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "exec",
		Summary: "Deploy by running a command on the runner.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Platform, Summary: "Deploys any artifact by running a command on the runner.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
		Platform: func() plugin.Platform { return &platform{} },
	}
}

type platform struct{ config Config }

func (p *platform) Config() any { return &p.config }

// DeployRerunnable is what the configuration says: only its author knows.
func (p *platform) DeployRerunnable() bool { return p.config.Rerunnable }

func (p *platform) Deploy(ctx context.Context, env *plugin.Call, req *plugin.DeployRequest) (*plugin.DeployResult, error) {
	if len(p.config.Command) == 0 || p.config.Command[0] == "" {
		return nil, &plugin.Error{Message: "the command is empty", Hint: "For example: command = [\"./deploy.sh\", \"production\"]."}
	}
	dir := below(env.Dir, p.config.Dir)
	if err := startfail.CheckDir(dir); err != nil {
		return nil, &plugin.Error{
			Message: fmt.Sprintf("dir = %q: %v", p.config.Dir, err),
			Hint:    "`dir` is the command's working directory, relative to " + env.Dir + ".",
		}
	}
	args, err := p.arguments(env, req)
	if err != nil {
		return nil, err
	}
	// The arguments can hold secrets; only the program's name is shown.
	step := env.UI.Step("Running %s", args[0])
	err = command.Run(ctx, command.Spec{
		Args: args, Dir: dir, Env: environment(env, req),
		Stdout: env.UI.Stdout(), Stderr: env.UI.Stderr(),
		// A command that deploys may well start what stays.
		KeepBackground: true,
	})
	if err != nil {
		step.Fail("%s", err)
		return nil, commandError(err)
	}
	step.Done("")
	return &plugin.DeployResult{
		Result: plugin.Result{State: map[string]string{}, Template: map[string]any{"url": p.config.URL}},
		URL:    p.config.URL,
	}, nil
}

func commandError(err error) error {
	var exit *command.ExitError
	if errors.As(err, &exit) {
		return &plugin.Error{Message: "the deploy command failed", Cause: err, Hint: "What it printed is shown above."}
	}
	return err
}

// arguments renders the templates and puts the first one's path where the placeholder stands.
func (p *platform) arguments(env *plugin.Call, req *plugin.DeployRequest) ([]string, error) {
	rendered := ""
	for i, t := range p.config.Template {
		from := below(env.Dir, t.Path)
		to := filepath.Join(env.TempDir, "template-"+strconv.Itoa(i), filepath.Base(from))
		if err := render(from, to, env, req); err != nil {
			return nil, err
		}
		if i == 0 {
			rendered = to
		}
	}
	args := make([]string, len(p.config.Command))
	for i, arg := range p.config.Command {
		if strings.Contains(arg, placeholder) && rendered == "" {
			return nil, &plugin.Error{Message: "the command has " + placeholder + ", but no template block", Hint: "Add template { path = \"…\" }."}
		}
		args[i] = strings.ReplaceAll(arg, placeholder, rendered)
	}
	return args, nil
}

// environment is the runner's, with what names this deployment; the entrypoint's token is not in it.
func environment(env *plugin.Call, req *plugin.DeployRequest) []string {
	base := env.Environ
	if base == nil {
		base = os.Environ()
	}
	out := make([]string, 0, len(base)+6)
	for _, kv := range base {
		if !strings.HasPrefix(kv, "WAYPOINT_") {
			out = append(out, kv)
		}
	}
	return append(out,
		"WAYPOINT_PROJECT="+env.Project, "WAYPOINT_APP="+env.App, "WAYPOINT_WORKSPACE="+env.Workspace,
		"WAYPOINT_JOB_ID="+env.JobID, "WAYPOINT_DEPLOYMENT_ID="+req.DeploymentID,
		"WAYPOINT_DEPLOYMENT_SEQUENCE="+strconv.FormatInt(req.Sequence, 10),
	)
}

func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, filepath.FromSlash(path))
}
