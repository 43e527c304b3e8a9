package config

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
	"github.com/waypoint-serverless/waypoint/internal/config/functions/gitfuncs"
	"github.com/waypoint-serverless/waypoint/internal/config/functions/jsonnetfuncs"
	"github.com/waypoint-serverless/waypoint/internal/git"
)

// A scope is an evaluation context with what is needed to explain its errors.
type scope struct {
	file  *File
	ctx   *hcl.EvalContext
	meter *functions.Meter
	phase phase
	in    Input
	// labels merged so far; artifact labels are added by whoever runs the stage.
	labels map[string]string
}

// normalized fills in what Input leaves out.
func (f *File) normalized(in Input) (Input, error) {
	if in.ProjectDir == "" {
		in.ProjectDir = filepath.Dir(f.Name)
	}
	abs, err := filepath.Abs(in.ProjectDir)
	if err != nil {
		return in, fmt.Errorf("finding the project's directory: %w", err)
	}
	in.ProjectDir = abs
	if in.Pwd == "" {
		in.Pwd = in.ProjectDir
	}
	if in.GitDir == "" {
		in.GitDir = in.ProjectDir
	}
	if in.Workspace == "" {
		in.Workspace = "default"
	}
	if in.Now == nil {
		in.Now = time.Now
	}
	if in.Context == nil {
		in.Context = context.Background()
	}
	return in, nil
}

// rootScope is what every expression sees, but var.
func (f *File) rootScope(in Input, p phase) *scope {
	s := &scope{file: f, in: in, phase: p, meter: functions.NewMeter(in.Context)}
	table := functions.Table(functions.Env{Dir: in.ProjectDir, Now: in.Now, Rand: in.Rand, Meter: s.meter})
	for name, fn := range gitfuncs.Table(in.Context, git.Repo{Dir: in.GitDir, Fetched: in.GitFetched}, in.Now) {
		table[name] = fn
	}
	dynamic := dynamicFunc()
	table["dynamic"], table["configdynamic"] = dynamic, dynamic
	for name, fn := range table {
		table[name] = f.secrets.watched(name, fn)
	}
	s.ctx = &hcl.EvalContext{
		Functions: table,
		Variables: map[string]cty.Value{
			"path": cty.ObjectVal(map[string]cty.Value{
				"pwd":     cty.StringVal(in.Pwd),
				"project": cty.StringVal(in.ProjectDir),
			}),
			"workspace": cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(in.Workspace)}),
			meterName:   meterValue(s.meter),
		},
	}
	s.addFileFunctions(in.TempDir)
	return s
}

// child is a scope inside this one, with more names.
func (s *scope) child(p phase, vars map[string]cty.Value) *scope {
	c := &scope{file: s.file, in: s.in, phase: p, labels: s.labels, ctx: s.ctx.NewChild(), meter: s.meter}
	c.ctx.Variables = vars
	return c
}

// addFileFunctions adds the functions that write files, and see this scope's names.
func (s *scope) addFileFunctions(tempDir string) {
	w := &tempWriter{dir: tempDir}
	added := map[string]function.Function{}
	for name, fn := range jsonnetfuncs.Table(s.in.Context, s.in.ProjectDir, w.newDir) {
		added[name] = s.meter.Guard(name, fn)
	}
	for name, fn := range s.templateFunctions(w) {
		added[name] = s.meter.Guard(name, fn)
	}
	added["templatestring"] = s.file.secrets.watched("templatestring", added["templatestring"])
	if s.ctx.Functions == nil {
		s.ctx.Functions = added
		return
	}
	for name, fn := range added {
		s.ctx.Functions[name] = fn
	}
}

// functionNames are all functions of the language.
func functionNames() map[string]bool {
	names := map[string]bool{}
	f := &File{}
	for name := range f.rootScope(Input{}, phase{}).ctx.Functions {
		names[name] = true
	}
	return names
}

// eval evaluates an expression and explains what went wrong. A nil expression is null.
func (s *scope) eval(e hcl.Expression) (cty.Value, hcl.Diagnostics) {
	if e == nil {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	v, diags := s.value(e)
	if s.meter.Err() != nil {
		return v, diags
	}
	return s.previewValue(v, s.explain(diags))
}

// evalString evaluates into target, unless the expression is nil or null.
func (s *scope) evalString(e hcl.Expression, name string, target *string) hcl.Diagnostics {
	if e == nil {
		return nil
	}
	v, diags := s.eval(e)
	if diags.HasErrors() {
		return diags
	}
	text, err := asString(v)
	if err != nil {
		if s.previews(err) {
			return diags
		}
		return append(diags, s.wrongValue(e, name, err))
	}
	*target = text
	return diags
}

// previews says whether a value is missing only because nothing runs yet, so that it can be passed over.
func (s *scope) previews(err error) bool { return s.in.Preview && errors.Is(err, errNotKnown) }

func (s *scope) evalBool(e hcl.Expression, name string) (*bool, hcl.Diagnostics) {
	if e == nil {
		return nil, nil
	}
	v, diags := s.eval(e)
	if diags.HasErrors() {
		return nil, diags
	}
	v, _ = v.UnmarkDeep()
	b, err := convert.Convert(v, cty.Bool)
	switch {
	case err != nil:
		return nil, append(diags, s.wrongValue(e, name, errors.New("true or false is required")))
	case !b.IsKnown() && s.in.Preview:
		return nil, diags
	case !b.IsKnown():
		return nil, append(diags, s.wrongValue(e, name, errNotKnown))
	case b.IsNull():
		return nil, diags
	}
	is := b.True()
	return &is, diags
}

func (s *scope) evalLabels(e hcl.Expression) (map[string]string, hcl.Diagnostics) {
	if e == nil {
		return nil, nil
	}
	v, diags := s.eval(e)
	if diags.HasErrors() {
		return nil, diags
	}
	v, _ = v.UnmarkDeep()
	if s.in.Preview {
		v = knownParts(v)
	}
	if !v.IsWhollyKnown() {
		return nil, append(diags, s.wrongValue(e, "labels", errNotKnown))
	}
	labels, err := functions.StringMap(v)
	if err != nil {
		return nil, append(diags, s.wrongValue(e, "labels", err))
	}
	for _, key := range sortedKeys(labels) {
		if err := checkLabelKey(key); err != nil {
			diags = append(diags, s.wrongValue(e, "labels", err))
		}
	}
	return labels, diags
}

// knownParts is a map without the elements that are not known.
func knownParts(v cty.Value) cty.Value {
	if !v.IsKnown() {
		return cty.EmptyObjectVal
	}
	if v.IsNull() || !v.CanIterateElements() || v.IsWhollyKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return v
	}
	parts := map[string]cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		if key, part := it.Element(); part.IsWhollyKnown() {
			parts[key.AsString()] = part
		}
	}
	return cty.ObjectVal(parts)
}

var errNotKnown = errors.New("it depends on a value that is not known yet")

func (s *scope) wrongValue(e hcl.Expression, name string, err error) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  fmt.Sprintf("Invalid value for %s", name),
		Detail:   upperFirst(err.Error()) + "." + s.file.unsetHint(e),
		Subject:  e.Range().Ptr(),
		// For the values shown beside the snippet.
		Expression:  e,
		EvalContext: s.ctx,
	}
}

// unsetHint names the variables in an expression that have no default, which is why it may not be known.
func (f *File) unsetHint(e hcl.Expression) string {
	var unset []string
	for _, t := range e.Variables() {
		if len(t) < 2 || t.RootName() != "var" {
			continue
		}
		name, _ := stepName(t[1])
		if v := f.variable(name); v != nil && !v.HasDefault && !slices.Contains(unset, name) {
			unset = append(unset, name)
		}
	}
	if len(unset) == 0 {
		return ""
	}
	return fmt.Sprintf(" The variable %s has no default; set it with -var, a file or the environment.", words(unset))
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// explain makes HCL's diagnostics ours: names are explained by phase, and what functions say about sensitive
// arguments is withheld.
func (s *scope) explain(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		switch d.Summary {
		case "Unknown variable":
			if d.Subject != nil {
				s.replace(d, s.phase.unknownRoot(rootOf(d), *d.Subject))
			}
		case "Unsupported attribute", "Invalid index":
			if t, ok := d.Expression.(*hclsyntax.ScopeTraversalExpr); ok {
				if better := s.file.checkTraversal(t.Traversal, s.phase); better != nil {
					s.replace(d, better)
				} else {
					s.listNames(d, t.Traversal)
				}
			}
			if index, ok := d.Expression.(*hclsyntax.IndexExpr); ok {
				if v, diags := index.Collection.Value(s.contextOf(d)); !diags.HasErrors() {
					d.Detail = strings.TrimSuffix(d.Detail, ".") + "." + keysHint(v)
				}
			}
		case "Call to unknown function":
			if call, ok := d.Expression.(*hclsyntax.FunctionCallExpr); ok {
				known := functionNames()
				if known[call.Name] {
					d.Summary = fmt.Sprintf("%s cannot be called here", call.Name)
					d.Detail = "It cannot be called inside a template."
				} else {
					s.replace(d, unknownFunction(call.Name, call.NameRange, known))
				}
			}
		}
		if d.Summary == "Invalid function argument" && d.Expression != nil {
			if v, diags := d.Expression.Value(s.contextOf(d)); !diags.HasErrors() && functions.IsSensitive(v) {
				d.Detail = "The argument is sensitive, so the reason is hidden."
			}
		}
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && call.FunctionCallError() != nil {
			s.explainCall(d, call)
		}
	}
	return diags
}

func (s *scope) replace(d, better *hcl.Diagnostic) {
	d.Summary, d.Detail = better.Summary, better.Detail
	d.Subject = better.Subject
}

func rootOf(d *hcl.Diagnostic) string {
	if t, ok := d.Expression.(*hclsyntax.ScopeTraversalExpr); ok {
		return t.Traversal.RootName()
	}
	// The detail is `There is no variable named "x".`
	_, rest, _ := strings.Cut(d.Detail, `"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// listNames adds what the object has whose part is missing.
func (s *scope) listNames(d *hcl.Diagnostic, t hcl.Traversal) {
	for n := len(t) - 1; n >= 1; n-- {
		v, diags := t[:n].TraverseAbs(s.contextOf(d))
		if diags.HasErrors() {
			continue
		}
		bare, _ := v.Unmark()
		if !bare.Type().IsObjectType() && !bare.Type().IsMapType() {
			return
		}
		missing, _ := stepName(t[n])
		whole := traversalText(t[:n])
		d.Detail = fmt.Sprintf("%s has no %q.%s", whole, missing, keysHint(v))
		if near := nearest(missing, keysOf(bare)); near != "" {
			d.Detail += fmt.Sprintf(" Did you mean %q?", near)
		}
		return
	}
}

func keysOf(v cty.Value) []string {
	if v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return nil
	}
	return sortedKeys(v.AsValueMap())
}

// keysHint says what an object or map has. Names are no secret unless all of it is.
func keysHint(v cty.Value) string {
	if v.IsMarked() {
		return ""
	}
	const most = 20
	keys := keysOf(v)
	if v.IsKnown() && !v.IsNull() && len(keys) == 0 && (v.Type().IsObjectType() || v.Type().IsMapType()) {
		return " It is empty."
	}
	if len(keys) == 0 || len(keys) > most {
		return ""
	}
	return fmt.Sprintf(" It has %s.", words(keys))
}

func (s *scope) contextOf(d *hcl.Diagnostic) *hcl.EvalContext {
	if d.EvalContext != nil {
		return d.EvalContext
	}
	return s.ctx
}

// explainCall shortens the message of a failed call, and withholds it if an argument is sensitive.
func (s *scope) explainCall(d *hcl.Diagnostic, extra hclsyntax.FunctionCallDiagExtra) {
	name := extra.CalledFunctionName()
	call, ok := d.Expression.(*hclsyntax.FunctionCallExpr)
	if !ok {
		return
	}
	d.Summary = fmt.Sprintf("Call of %s failed", name)
	for _, arg := range call.Args {
		if v, diags := arg.Value(s.contextOf(d)); !diags.HasErrors() && functions.IsSensitive(v) {
			d.Detail = "An argument is sensitive, so the reason is hidden."
			return
		}
	}
	var fail *templateError
	if errors.As(extra.FunctionCallError(), &fail) {
		d.Detail = fail.Error()
		return
	}
	d.Detail = upperFirst(strings.TrimSuffix(extra.FunctionCallError().Error(), ".")) + "."
}

// asString is a known value as text.
func asString(v cty.Value) (string, error) {
	v, _ = v.UnmarkDeep()
	s, err := convert.Convert(v, cty.String)
	switch {
	case err != nil:
		return "", errors.New("text is required")
	case !s.IsKnown():
		return "", errNotKnown
	case s.IsNull():
		return "", nil
	}
	return s.AsString(), nil
}

// asStrings is a list as text.
func asStrings(v cty.Value) ([]string, error) {
	v, _ = v.UnmarkDeep()
	if !v.IsKnown() {
		return nil, errNotKnown
	}
	if v.IsNull() {
		return nil, nil
	}
	if t := v.Type(); !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
		return nil, errors.New(`a list such as ["a", "b"] is required`)
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, elem := it.Element()
		s, err := asString(elem)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
