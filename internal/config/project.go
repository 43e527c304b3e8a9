package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/api/validate"
)

// Input is what evaluation depends on beside the file.
type Input struct {
	// Context ends evaluations in the middle; nil: nothing does.
	Context context.Context
	// Pwd is path.pwd: the directory in which the user, or the runner, works. Empty: ProjectDir.
	Pwd string
	// ProjectDir is path.project: the absolute directory of waypoint.hcl. Functions resolve relative
	// paths against it. Empty: the directory of the file's name.
	ProjectDir string
	// Workspace is workspace.name. Empty: "default".
	Workspace string
	// Vars are var.*, as ResolveVars returns them. A declared variable that is missing here has its default;
	// without one it is unknown, and an error only where it is used.
	Vars map[string]cty.Value
	// LabelOverrides are the job's -label flags; they win over all labels in the file.
	LabelOverrides map[string]string
	// GitDir is where the git functions start to look for a repository. Empty: ProjectDir.
	GitDir string
	// GitFetched reports that the repository was fetched: git ignores the machine's configuration in it.
	GitFetched bool
	// TempDir is where templatefile and its like write when they are called outside a stage, say in config. It must
	// outlive the operation. Empty: such a call is an error.
	TempDir string
	// Preview: nothing will be run, so what only an operation finds out is unknown instead of an error: artifact.*,
	// deploy.*, entrypoint.*, and dynamic defaults.
	Preview bool
	// Now and Rand feed timestamp() and uuid(). nil: the clock and crypto/rand.
	Now  func() time.Time
	Rand io.Reader
}

// Project is the evaluated head of a file. Its apps' stages stay unevaluated until Stage is called.
type Project struct {
	Name   string
	Labels map[string]string
	// RemoteEnabled, DataSource, Poll and RunnerProfile are of the project's runner stanza; nil or empty if not given.
	RemoteEnabled *bool
	DataSource    *DataSource
	Poll          *Poll
	RunnerProfile string
	Apps          []*App

	file  *File
	scope *scope
	// configValues are what apps may refer to; found once, at the first app that asks.
	configValues func() configValues
}

// DataSource says where the project's source comes from.
type DataSource struct {
	// Type is "git" or "local"; the rest is git's.
	Type               string
	URL, Ref, Path     string
	Username, Password string
	// Key is PEM text.
	Key, KeyPassword         string
	IgnoreChangesOutsidePath bool
	// RecurseSubmodules is the depth to which submodules are fetched.
	RecurseSubmodules int
}

// Poll reports whether and how often the data source is asked for changes.
type Poll struct {
	Enabled bool
	// Interval is 0 if not given.
	Interval time.Duration
}

// App is one app of a project.
type App struct {
	Name string
	// Path is the app's absolute directory, path.app.
	Path string
	// Labels are the app's own, not merged with the project's.
	Labels map[string]string
	// HasRegistry and HasRelease report whether the stanza is there with a plugin. A stage that names plugins only
	// for other workspaces can still be absent (Stage returns nil).
	HasRegistry, HasRelease bool
	// RunnerProfile, DataSource and Poll are of the app's own runner stanza.
	RunnerProfile string
	DataSource    *DataSource
	Poll          *Poll
	// AutoHostname is url.auto_hostname; nil if not given.
	AutoHostname *bool

	project *Project
	decl    *appDecl
	scope   *scope
}

// App finds an app by name; nil if there is none.
func (p *Project) App(name string) *App {
	for _, a := range p.Apps {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Project evaluates the project's name, labels, runner stanza, and the names, paths and labels of its apps.
// It returns what it could evaluate also when there are errors.
func (f *File) Project(in Input) (p *Project, diags hcl.Diagnostics) {
	p = &Project{file: f}
	p.configValues = sync.OnceValue(p.computeConfigValues)
	defer f.guard(&diags)
	in, err := f.normalized(in)
	if err != nil {
		return p, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot evaluate " + f.Name, Detail: upperFirst(err.Error()) + "."}}
	}
	root := f.rootScope(in, projectPhase())
	vars, diags := f.varObject(root, in)
	p.scope = root.child(projectPhase(), map[string]cty.Value{"var": vars})
	if f.projectName != nil {
		more := p.scope.evalString(f.projectName, "project", &p.Name)
		if diags = append(diags, more...); !more.HasErrors() {
			diags = append(diags, checkName("project", p.Name, f.projectName.Range())...)
		}
	}
	var more hcl.Diagnostics
	p.Labels, more = p.scope.evalLabels(f.labels)
	diags = append(diags, more...)
	diags = append(diags, p.readRunner()...)
	for _, decl := range f.apps {
		app, more := p.app(decl)
		diags = append(diags, more...)
		p.Apps = append(p.Apps, app)
	}
	return p, f.finish(diags)
}

// ProjectName evaluates the project's name and nothing else: what a command needs to know that only asks the server.
func (f *File) ProjectName(in Input) (name string, diags hcl.Diagnostics) {
	defer f.guard(&diags)
	in, err := f.normalized(in)
	if err != nil || f.projectName == nil {
		return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The project has no name", Detail: fmt.Sprintf("%s does not name its project.", f.Name)}}
	}
	root := f.rootScope(in, projectPhase())
	vars, _ := f.varObject(root, in) // a bad default is an error here only if the name needs it
	scope := root.child(projectPhase(), map[string]cty.Value{"var": vars})
	diags = scope.evalString(f.projectName, "project", &name)
	return name, f.finish(diags)
}

func (p *Project) readRunner() hcl.Diagnostics {
	r, diags := p.scope.runner(p.file.runner)
	p.RemoteEnabled, p.DataSource, p.Poll, p.RunnerProfile = r.enabled, r.dataSource, r.poll, r.profile
	return diags
}

func (p *Project) app(decl *appDecl) (*App, hcl.Diagnostics) {
	a := &App{Name: decl.name, Path: p.scope.in.ProjectDir, project: p, decl: decl}
	head := p.scope.child(appPhase(), map[string]cty.Value{
		"app": cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(decl.name)}),
	})
	var rel string
	diags := head.evalString(decl.path, "path", &rel)
	if rel != "" {
		dir := rel
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(p.scope.in.ProjectDir, dir)
		}
		if escapes(p.scope.in.ProjectDir, dir) {
			diags = append(diags, errorAt(decl.path.Range(), "Invalid value for path",
				"An app's path must be inside the project's directory %s.", p.scope.in.ProjectDir))
		} else {
			a.Path = filepath.Clean(dir)
		}
	}
	a.scope = head.child(appPhase(), map[string]cty.Value{
		"path": cty.ObjectVal(map[string]cty.Value{
			"pwd":     cty.StringVal(p.scope.in.Pwd),
			"project": cty.StringVal(p.scope.in.ProjectDir),
			"app":     cty.StringVal(a.Path),
		}),
	})
	var more hcl.Diagnostics
	a.Labels, more = a.scope.evalLabels(decl.labels)
	diags = append(diags, more...)
	a.AutoHostname, more = a.scope.evalBool(decl.autoHostname, "auto_hostname")
	diags = append(diags, more...)
	r, more := p.scope.runner(decl.runner)
	diags = append(diags, more...)
	a.RunnerProfile, a.DataSource, a.Poll = r.profile, r.dataSource, r.poll
	a.HasRegistry = decl.stages[Registry].any()
	a.HasRelease = decl.stages[Release].any()
	return a, diags
}

// any says whether the stage has a plugin in some workspace.
func (st *stageDecl) any() bool { return st != nil && (st.base.use != nil || len(st.scoped) > 0) }

func escapes(root, dir string) bool {
	rel, err := filepath.Rel(root, dir)
	return err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

type runnerValues struct {
	enabled    *bool
	profile    string
	dataSource *DataSource
	poll       *Poll
}

func (s *scope) runner(r *runnerDecl) (v runnerValues, diags hcl.Diagnostics) {
	if r == nil {
		return v, nil
	}
	in := s.child(runnerPhase(), nil)
	v.enabled, diags = in.evalBool(r.enabled, "enabled")
	diags = append(diags, in.evalString(r.profile, "profile", &v.profile)...)
	if r.poll != nil {
		p := &Poll{}
		enabled, more := in.evalBool(r.poll.enabled, "enabled")
		diags = append(diags, more...)
		p.Enabled = enabled != nil && *enabled
		var text string
		diags = append(diags, in.evalString(r.poll.interval, "interval", &text)...)
		if text != "" {
			d, err := time.ParseDuration(text)
			if err != nil || d <= 0 {
				diags = append(diags, in.wrongValue(r.poll.interval, "interval", errors.New(`a duration such as "30s" or "5m" is required`)))
			}
			p.Interval = max(d, 0)
		}
		v.poll = p
	}
	if r.dataSource != nil {
		var more hcl.Diagnostics
		v.dataSource, more = in.dataSource(r.dataSource)
		diags = append(diags, more...)
	}
	return v, diags
}

func (s *scope) dataSource(d *dataSourceDecl) (*DataSource, hcl.Diagnostics) {
	ds := &DataSource{Type: d.typ}
	if d.typ != "git" {
		return ds, nil
	}
	var diags hcl.Diagnostics
	for name, target := range map[string]*string{
		"url": &ds.URL, "ref": &ds.Ref, "path": &ds.Path, "username": &ds.Username, "password": &ds.Password,
		"key": &ds.Key, "key_password": &ds.KeyPassword,
	} {
		if a := d.attrs[name]; a != nil {
			diags = append(diags, s.evalString(a.Expr, name, target)...)
		}
	}
	if a := d.attrs["ignore_changes_outside_path"]; a != nil {
		is, more := s.evalBool(a.Expr, a.Name)
		diags = append(diags, more...)
		ds.IgnoreChangesOutsidePath = is != nil && *is
	}
	if a := d.attrs["recurse_submodules"]; a != nil {
		var text string
		more := s.evalString(a.Expr, a.Name, &text)
		if diags = append(diags, more...); !more.HasErrors() {
			// A depth; true is as deep as git goes by itself.
			switch depth, err := strconv.Atoi(text); {
			case text == "true":
				ds.RecurseSubmodules = 10
			case text == "false" || text == "":
			case err != nil || depth < 0:
				diags = append(diags, s.wrongValue(a.Expr, a.Name, errors.New("a depth such as 1 is required")))
			default:
				ds.RecurseSubmodules = depth
			}
		}
	}
	if ds.URL == "" && !diags.HasErrors() {
		diags = append(diags, warningAt(d.rng, `Missing attribute "url"`, `A data source "git" requires the URL of its repository.`))
	}
	if clean, _, password, err := validate.SplitGitURL("url", ds.URL); err != nil {
		// The line of the url itself is not shown: a job's output keeps it for others to read.
		diags = append(diags, errorAt(d.rng, "Invalid value for url", "%s.", err))
	} else if clean != ds.URL && password != "" {
		diags = append(diags, warningAt(d.rng, "Password in a URL",
			"The server stores it encrypted, but this file does not. Set password instead, from a sensitive variable."))
	}
	ds.Path = strings.TrimLeft(ds.Path, "/") // from the repository's root
	if ds.Path != "" && !filepath.IsLocal(filepath.FromSlash(ds.Path)) {
		diags = append(diags, errorAt(d.attrs["path"].Expr.Range(), "Invalid value for path",
			"The path must be relative and inside the repository."))
	}
	return ds, diags
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
