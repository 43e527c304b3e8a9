package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/lease"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
	"github.com/waypoint-serverless/waypoint/runner/source"
)

// evaluation is the job's source, on this machine, and its waypoint.hcl with the variables resolved.
type evaluation struct {
	*records
	temp string
	// environ is for what runs on the runner's behalf, appEnviron for apps.
	environ, appEnviron []string
	file                *config.File
	input               config.Input
	project             *config.Project
	app                 *config.App
	// stopEvaluating ends what evaluates the file.
	stopEvaluating func()
}

// prepare fetches the source to this machine, reads waypoint.hcl, resolves the variables and reports both.
func (j *evaluation) prepare(ctx context.Context) error {
	if err := j.fetch(ctx); err != nil {
		return err
	}
	evaluating, stop := j.untilStopped(ctx)
	j.stopEvaluating = stop
	diags, err := j.load()
	j.input.Context = evaluating
	if err != nil {
		return err
	}
	j.file.OnSensitive(func(value string) { j.secrets.Add(value) })
	if err := j.diagnosed(diags); err != nil {
		return err
	}
	used, err := j.resolve()
	if err != nil {
		return err
	}
	if err := j.report(ctx, used); err != nil {
		return err
	}
	var projectDiags hcl.Diagnostics
	j.project, projectDiags = j.file.Project(j.input)
	j.learnSources()
	if err := j.diagnosed(projectDiags); err != nil {
		return err
	}
	return j.chooseApp()
}

// untilStopped ends when somebody asks for the job's end, or it is lost: evaluating a file can take seconds.
func (j *evaluation) untilStopped(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-j.lease.CancelAsked():
			cancel(lease.ErrCanceled)
		case <-j.lease.Lost():
			cancel(lease.ErrStale)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

func (j *evaluation) fetch(ctx context.Context) error {
	dir := filepath.Join(j.temp, "source")
	limits, err := source.LimitsFrom(j.environ)
	if err != nil {
		return err
	}
	for {
		if err := j.ready(ctx); err != nil {
			return err
		}
		work, end := j.lease.Work(ctx)
		fetched, err := source.Fetch(work, source.Request{
			Source: j.dataSource(), Overrides: j.spec.GetDataSourceOverrides(), LocalDir: j.h.LocalDir, Dir: dir,
			Limits: limits,
		})
		cause := context.Cause(work)
		end()
		switch {
		case err == nil:
			j.source = fetched
			if !fetched.Local {
				j.ui.Line(plugin.Info, "Source: %s", fetched.Note)
			}
			if fetched.Warning != "" {
				j.ui.Line(plugin.Warning, "%s", fetched.Warning)
			}
			return nil
		case errors.Is(cause, lease.ErrLapsed):
			if err := filecopy.Remove(dir); err != nil {
				return err
			}
		case cause != nil:
			return cause
		default:
			return err
		}
	}
}

// load reads waypoint.hcl: the job's own, else the source's, else the one that is kept with the server.
func (j *evaluation) load() (hcl.Diagnostics, error) {
	name := j.spec.GetWaypointHclName()
	if name == "" {
		name = "waypoint.hcl"
	}
	var diags hcl.Diagnostics
	projectDir := j.source.Dir
	switch path, err := j.findFile(); {
	case len(j.spec.GetWaypointHcl()) > 0:
		j.file, diags = config.Parse(j.spec.GetWaypointHcl(), name)
	case err == nil:
		projectDir = filepath.Dir(path)
		src, readErr := os.ReadFile(path)
		if readErr != nil {
			return nil, &failure{reason: fault.ConfigInvalid, message: "waypoint.hcl cannot be read", cause: readErr}
		}
		j.file, diags = config.Parse(src, filepath.Base(path))
	case !errors.Is(err, config.ErrNoFile):
		return nil, &failure{reason: fault.ConfigInvalid, message: "waypoint.hcl cannot be read", cause: err}
	case len(j.claim.GetWaypointHcl()) > 0:
		j.file, diags = config.Parse(j.claim.GetWaypointHcl(), "waypoint.hcl")
	default:
		return nil, &failure{
			reason: fault.ConfigInvalid, message: "the project's source has no waypoint.hcl",
			hint: "Commit one, or set the data source's path to the directory that holds it.",
		}
	}
	j.input = config.Input{
		Pwd: projectDir, ProjectDir: projectDir, Workspace: j.workspace(),
		LabelOverrides: j.spec.GetLabels(), GitDir: projectDir, GitFetched: !j.source.Local, Now: j.h.Now,
	}
	return j.file.Relax(diags, j.input), nil
}

// findFile looks in the source's directory; a local directory may also be below the project's.
func (j *evaluation) findFile() (string, error) {
	if j.source.Local {
		return config.Find(j.source.Dir)
	}
	return config.FindIn(j.source.Dir)
}

// resolve picks the variables' values: defaults, then the server's, the runner's environment, the source's automatic
// files, and the job's own.
func (j *evaluation) resolve() ([]config.VarUsed, error) {
	given := inputs(j.claim.GetServerVariables(), config.SourceServer)
	given = append(given, j.file.VarsFromEnv(j.environ, config.SourceRunnerEnv)...)
	files, err := config.FindAutoFiles(j.input.ProjectDir)
	if err != nil {
		return nil, &failure{reason: fault.ConfigInvalid, message: "the automatic variable files cannot be read", cause: err}
	}
	for _, path := range files {
		values, diags := config.LoadVarFile(path, config.SourceAutoFile)
		if err := j.diagnosed(diags); err != nil {
			return nil, err
		}
		given = append(given, values...)
	}
	given = append(given, inputs(j.spec.GetVariables(), config.SourceFlag)...)
	vars, used, diags := j.file.ResolveVars(given, j.input)
	if err := j.diagnosed(diags); err != nil {
		return nil, err
	}
	j.input.Vars = vars
	return used, nil
}

// inputs are variables as they came over the wire; those that do not say their source have the given one.
func inputs(vars []*waypointv1.Variable, unnamed config.VarSource) []config.VarInput {
	out := make([]config.VarInput, 0, len(vars))
	for _, v := range vars {
		from := unnamed
		switch v.GetSource() {
		case waypointv1.VariableSource_VARIABLE_SOURCE_ENV:
			from = config.SourceEnv
		case waypointv1.VariableSource_VARIABLE_SOURCE_FILE:
			from = config.SourceFile
		case waypointv1.VariableSource_VARIABLE_SOURCE_FLAG:
			from = config.SourceFlag
		case waypointv1.VariableSource_VARIABLE_SOURCE_SERVER:
			from = config.SourceServer
		}
		out = append(out, config.VarInput{
			Name: v.GetName(), Value: v.GetValue(), Source: from, Origin: v.GetOrigin(),
			// Those of a job are marked, too, when its caller has no waypoint.hcl to tell.
			Sensitive: from == config.SourceServer && v.GetSensitive(),
		})
	}
	return out
}

func (j *evaluation) report(ctx context.Context, used []config.VarUsed) error {
	req := &waypointv1.ReportJobRequest{Fence: j.claim.GetFence(), Source: j.source.Ref}
	for _, v := range used {
		row := &waypointv1.VariableUsed{
			Name: v.Name, Value: v.Value, Type: v.Type, Source: wireSource(v.Source), Origin: v.Origin, Sensitive: v.Sensitive,
		}
		if v.Sensitive {
			row.Value = "(sensitive)"
		}
		req.VariablesUsed = append(req.VariablesUsed, row)
	}
	if req.Source == nil && len(req.VariablesUsed) == 0 {
		return nil
	}
	_, err := call(ctx, j.attempt, j.h.Server.Agent.ReportJob, validate.ShortReport(redact.Message(j.secrets, req)))
	return err
}

func wireSource(s config.VarSource) waypointv1.VariableSource {
	switch s {
	case config.SourceDefault:
		return waypointv1.VariableSource_VARIABLE_SOURCE_DEFAULT
	case config.SourceDynamic:
		return waypointv1.VariableSource_VARIABLE_SOURCE_DYNAMIC
	case config.SourceServer:
		return waypointv1.VariableSource_VARIABLE_SOURCE_SERVER
	case config.SourceRunnerEnv:
		return waypointv1.VariableSource_VARIABLE_SOURCE_RUNNER_ENV
	case config.SourceAutoFile:
		return waypointv1.VariableSource_VARIABLE_SOURCE_AUTO_FILE
	case config.SourceEnv:
		return waypointv1.VariableSource_VARIABLE_SOURCE_ENV
	case config.SourceFile:
		return waypointv1.VariableSource_VARIABLE_SOURCE_FILE
	case config.SourceFlag:
		return waypointv1.VariableSource_VARIABLE_SOURCE_FLAG
	}
	return waypointv1.VariableSource_VARIABLE_SOURCE_UNSPECIFIED
}

// chooseApp finds the job's app in the file. An operation on the whole project has none.
func (j *evaluation) chooseApp() error {
	if j.spec.GetOperation().GetInit() != nil {
		return nil
	}
	name := j.spec.GetApp()
	if j.app = j.project.App(name); j.app != nil {
		return nil
	}
	names := make([]string, 0, len(j.project.Apps))
	for _, a := range j.project.Apps {
		names = append(names, a.Name)
	}
	return &failure{
		reason: fault.ConfigInvalid, message: fmt.Sprintf("waypoint.hcl has no app %q", name),
		hint: "Its apps: " + strings.Join(names, ", ") + ".",
	}
}

// init registers the apps that the file names.
func (j *evaluation) init(ctx context.Context) error {
	req := &waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: j.spec.GetProject()}, Apps: j.project.Registration().GetApps(),
	}
	for _, a := range req.GetApps() {
		a.Project = j.spec.GetProject()
	}
	if _, err := call(ctx, j.attempt, j.h.Server.Projects.UpsertProject, req); err != nil {
		return err
	}
	j.ui.Line(plugin.Success, "Registered %d app(s)", len(req.Apps))
	return nil
}
