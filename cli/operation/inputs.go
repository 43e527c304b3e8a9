package operation

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

// Flags are the flags of every command that queues jobs.
type Flags struct {
	Labels, Vars, VarFiles, remoteSource []string
	local                                boolFlag
	parallel                             int
	JSON                                 bool
}

// boolFlag is a bool that knows whether it was given.
type boolFlag struct{ set, value bool }

func (f *boolFlag) String() string { return "" }

func (f *boolFlag) Type() string { return "bool" }

func (f *boolFlag) IsBoolFlag() bool { return true }

func (f *boolFlag) Set(s string) error {
	switch strings.ToLower(s) {
	case "true", "1", "t", "yes":
		f.value = true
	case "false", "0", "f", "no":
		f.value = false
	default:
		return fmt.Errorf("invalid value %q: use true or false", s)
	}
	f.set = true
	return nil
}

// Register adds the flags.
func (f *Flags) Register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringArrayVar(&f.Labels, "label", nil, "label of the job and of what it makes, k=v (repeatable)")
	fs.StringArrayVar(&f.Vars, "var", nil, "value of an input variable, name=value (repeatable)")
	fs.StringArrayVar(&f.VarFiles, "var-file", nil, "file with values of input variables (repeatable)")
	fs.Var(&f.local, "local", "run on this machine from this directory; =false: on a standing runner")
	fs.Lookup("local").NoOptDefVal = "true"
	fs.StringArrayVar(&f.remoteSource, "remote-source", nil, "override of the project's data source, k=v, for a remote run (repeatable)")
	fs.IntVar(&f.parallel, "parallel", 0, "run all of it for up to this many apps at once; 1: one app after another")
	fs.BoolVar(&f.JSON, "json", false, "print one JSON event a line; the last one is the result")
	_ = cmd.RegisterFlagCompletionFunc("var-file", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"wpvars", "json"}, cobra.ShellCompDirectiveFilterFileExt
	})
}

// inputs is what the flags and the environment give to a job.
type inputs struct {
	labels    map[string]string
	overrides map[string]string
	variables []*waypointv1.Variable
}

// overridable are the fields of a git source that -remote-source may name.
var overridable = map[string]bool{
	"url": true, "ref": true, "path": true, "username": true, "ignore_changes_outside_path": true, "recurse_submodules": true,
}

// gather reads them, and checks them against the waypoint.hcl if it is here. Values that the runner will find by
// itself (defaults, its environment, files in the source) are not sent.
func (f *Flags) gather(sh Host, s *scope.Scope) (*inputs, error) {
	in := &inputs{}
	var err error
	if in.labels, err = render.KeyValues("label", f.Labels); err != nil {
		return nil, err
	}
	if err := validate.Labels("label", in.labels); err != nil {
		return nil, err
	}
	if in.overrides, err = render.KeyValues("remote-source", f.remoteSource); err != nil {
		return nil, err
	}
	for name := range in.overrides {
		if !overridable[name] {
			return nil, problem.New("USAGE", "invalid -remote-source: %q cannot be overridden", name).
				WithHint("Use url, ref, path, username, ignore_changes_outside_path or recurse_submodules.")
		}
	}
	given, diags := f.Values(sh, s)
	if err := problem.InFile(s.File, diags); err != nil {
		return nil, err
	}
	if in.variables, err = toVariables(given, sensitiveNames(s.File)); err != nil {
		return nil, err
	}
	if len(in.variables) > validate.MaxVariables {
		return nil, problem.New("USAGE", "too many values for variables: %d, at most %d", len(in.variables), validate.MaxVariables)
	}
	return in, nil
}

// Values lists the given values of variables, lowest precedence first.
func (f *Flags) Values(sh Host, s *scope.Scope) (given []config.VarInput, diags hcl.Diagnostics) {
	file := s.File
	if file != nil {
		given = file.VarsFromEnv(sh.Env().Environ(), config.SourceEnv)
	} else {
		given = envVariables(sh.Env().Environ())
	}
	for _, path := range f.VarFiles {
		if !filepath.IsAbs(path) {
			path = filepath.Join(sh.Env().Dir, path)
		}
		more, d := config.LoadVarFile(path, config.SourceFile)
		given, diags = append(given, more...), append(diags, d...)
	}
	for _, arg := range f.Vars {
		v, err := config.ParseVarFlag(arg)
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid -var", Detail: err.Error()})
			continue
		}
		v.Source = config.SourceFlag
		given = append(given, v)
	}
	if file != nil && !diags.HasErrors() {
		diags = append(diags, undeclared(file, given)...)
	}
	return given, diags
}

// undeclared finds values for variables that the file does not declare. Values of the environment may be for others.
func undeclared(file *config.File, given []config.VarInput) (diags hcl.Diagnostics) {
	known := map[string]bool{}
	for _, v := range file.Variables() {
		known[v.Name] = true
	}
	for _, g := range given {
		if known[g.Name] || g.Source < config.SourceFile {
			continue
		}
		d := &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Undeclared variable",
			Detail: fmt.Sprintf("A value was given for %q (%s), but %s declares no such variable.", g.Name, g.Origin, filepath.Base(file.Name)),
		}
		if g.Range.Filename != "" {
			r := g.Range
			d.Subject = &r
		}
		diags = append(diags, d)
	}
	return diags
}

// envVariables reads WP_VAR_… without a waypoint.hcl to say which are meant.
func envVariables(environ []string) (out []config.VarInput) {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if v, ok := strings.CutPrefix(name, "WP_VAR_"); ok && v != "" {
			out = append(out, config.VarInput{Name: v, Value: value, Source: config.SourceEnv, Origin: name})
		}
	}
	return out
}

func sensitiveNames(file *config.File) map[string]bool {
	out := map[string]bool{}
	if file != nil {
		for _, v := range file.Variables() {
			out[v.Name] = v.Sensitive
		}
	}
	return out
}

// toVariables makes the contract's variables; the last of a name wins. Without a file nobody knows what is
// sensitive, and the server keeps all values as if they were.
func toVariables(given []config.VarInput, sensitive map[string]bool) ([]*waypointv1.Variable, error) {
	at := map[string]int{}
	var out []*waypointv1.Variable
	for _, g := range given {
		text, err := valueText(g)
		if err != nil {
			return nil, err
		}
		secret, declared := sensitive[g.Name]
		v := &waypointv1.Variable{
			Name: g.Name, Value: text, Source: contractSource(g.Source), Origin: g.Origin, Sensitive: secret || !declared,
		}
		if i, again := at[g.Name]; again {
			out[i] = v
			continue
		}
		at[g.Name] = len(out)
		out = append(out, v)
	}
	return out, nil
}

// valueText gives a value as text: strings, numbers and bools as they are, anything else as an HCL expression.
func valueText(g config.VarInput) (string, error) {
	if g.Typed == cty.NilVal {
		return g.Value, nil
	}
	v, _ := g.Typed.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return "", problem.New("USAGE", "the value of %q in %s is not known", g.Name, g.Origin)
	}
	if !v.IsNull() && v.Type().IsPrimitiveType() {
		s, err := convert.Convert(v, cty.String)
		if err != nil {
			return "", fmt.Errorf("reading the value of %q: %w", g.Name, err)
		}
		return s.AsString(), nil
	}
	return string(hclwrite.TokensForValue(v).Bytes()), nil
}

func contractSource(s config.VarSource) waypointv1.VariableSource {
	switch s {
	case config.SourceEnv:
		return waypointv1.VariableSource_VARIABLE_SOURCE_ENV
	case config.SourceFile:
		return waypointv1.VariableSource_VARIABLE_SOURCE_FILE
	case config.SourceFlag:
		return waypointv1.VariableSource_VARIABLE_SOURCE_FLAG
	}
	return waypointv1.VariableSource_VARIABLE_SOURCE_UNSPECIFIED
}
