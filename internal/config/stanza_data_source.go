package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// dataSourceStanza is `data_source "git"`; a local one has nothing in it.
func dataSourceStanza() *stanza {
	git := &stanza{
		block: "data_source", name: "data_source", label: "type", home: "in runner", attrHome: `data_source "git"`,
		attrs: []attribute{
			carriedBy("url", "DataSource.URL"), carriedBy("ref", "DataSource.Ref"), carriedBy("path", "DataSource.Path"),
			carriedBy("username", "DataSource.Username"), carriedBy("password", "DataSource.Password"),
			carriedBy("key", "DataSource.Key"), carriedBy("key_password", "DataSource.KeyPassword"),
			carriedBy("ignore_changes_outside_path", "DataSource.IgnoreChangesOutsidePath"),
			carriedBy("recurse_submodules", "DataSource.RecurseSubmodules"),
		},
		mark: "U", rule: "`data_source \"git\"` has `url`, `ref`, `path`, `username` and `password` or `key` and `key_password`, " +
			"`ignore_changes_outside_path`, `recurse_submodules`; `data_source \"local\"` has nothing.",
		evaluate: evaluateDataSource,
		register: func(p *Project, a *App, _ *node, req *waypointv1.UpsertProjectRequest) {
			if ds := p.Runner().DataSource; a == nil && ds != nil {
				req.Project.DataSource = ds.Contract()
				req.UpdateFields = append(req.UpdateFields, "data_source")
			}
		},
	}
	local := *git
	local.attrs = nil
	git.choose = func(n *node) (*stanza, *hcl.Diagnostic) {
		switch n.label {
		case "git":
			return git, nil
		case "local":
			return &local, nil
		}
		return nil, errorAt(n.labelRange, fmt.Sprintf("Unknown data source %q", n.label), `A data source is "git" or "local".`)
	}
	return git
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

// maxLevels bounds levels of submodules to what the contract carries.
const maxLevels = 1000

// Contract is what the server keeps of it.
func (ds *DataSource) Contract() *waypointv1.DataSource {
	if ds.Type != "git" {
		return &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
	}
	return &waypointv1.DataSource{Source: &waypointv1.DataSource_Git{Git: &waypointv1.GitSource{
		Url: ds.URL, Ref: ds.Ref, Path: ds.Path, Username: ds.Username, Password: ds.Password,
		PrivateKeyPem: ds.Key, PrivateKeyPassword: ds.KeyPassword,
		IgnoreChangesOutsidePath: ds.IgnoreChangesOutsidePath, RecurseSubmodules: ds.RecurseSubmodules > 0,
		SubmoduleLevels: int32(min(ds.RecurseSubmodules, maxLevels)),
	}}}
}

func evaluateDataSource(p *Project, _ *App, n *node) (any, hcl.Diagnostics) {
	s := p.runnerScope()
	ds := &DataSource{Type: n.label}
	if ds.Type != "git" {
		return ds, nil
	}
	var diags hcl.Diagnostics
	for _, text := range []struct {
		name   string
		target *string
	}{
		{"url", &ds.URL}, {"ref", &ds.Ref}, {"path", &ds.Path}, {"username", &ds.Username}, {"password", &ds.Password},
		{"key", &ds.Key}, {"key_password", &ds.KeyPassword},
	} {
		diags = append(diags, s.evalString(n.expr(text.name), text.name, text.target)...)
	}
	is, more := s.evalBool(n.expr("ignore_changes_outside_path"), "ignore_changes_outside_path")
	diags = append(diags, more...)
	ds.IgnoreChangesOutsidePath = is != nil && *is
	ds.RecurseSubmodules, more = s.submodules(n.expr("recurse_submodules"))
	diags = append(diags, more...)
	if ds.URL == "" && !diags.HasErrors() {
		diags = append(diags, warningAt(n.rng, `Missing attribute "url"`, `A data source "git" requires the URL of its repository.`))
	}
	if clean, _, password, err := validate.SplitGitURL("url", ds.URL); err != nil {
		// The line of the url itself is not shown: a job's output keeps it for others to read.
		diags = append(diags, errorAt(n.rng, "Invalid value for url", "%s.", err))
	} else if clean != ds.URL && password != "" {
		diags = append(diags, warningAt(n.rng, "Password in a URL",
			"The server stores it encrypted, but this file does not. Set password instead, from a sensitive variable."))
	}
	ds.Path = strings.TrimLeft(ds.Path, "/") // from the repository's root
	if ds.Path != "" && !filepath.IsLocal(filepath.FromSlash(ds.Path)) {
		diags = append(diags, errorAt(n.expr("path").Range(), "Invalid value for path",
			"The path must be relative and inside the repository."))
	}
	return ds, diags
}

// submodules is the depth to which submodules are fetched; true is as deep as git goes by itself.
func (s *scope) submodules(e hcl.Expression) (int, hcl.Diagnostics) {
	var text string
	diags := s.evalString(e, "recurse_submodules", &text)
	if e == nil || diags.HasErrors() {
		return 0, diags
	}
	switch depth, err := strconv.Atoi(text); {
	case text == "true":
		return 10, diags
	case text == "false" || text == "":
		return 0, diags
	case err != nil || depth < 0:
		return 0, append(diags, s.wrongValue(e, "recurse_submodules", errors.New("a depth such as 1 is required")))
	default:
		return depth, diags
	}
}
