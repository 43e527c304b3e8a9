package config

import (
	"io"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Input is what evaluation depends on beside the file.
type Input struct {
	// Pwd is path.pwd: the directory in which the user, or the runner, works. Empty: ProjectDir.
	Pwd string
	// ProjectDir is path.project: the absolute directory of waypoint.hcl. Relative paths given to functions
	// start here. Empty: the directory of the file's name.
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

// Poll says whether and how often the data source is asked for changes.
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
	// HasRegistry and HasRelease say whether the stanza is there with a plugin. A stage that names plugins only
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
func (f *File) Project(in Input) (*Project, hcl.Diagnostics) {
	return f.project(in)
}
