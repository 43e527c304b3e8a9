package config

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// New makes the command config and those below it.
func New(sh Host) *cobra.Command {
	return shell.Group("config", "Set, get and delete configuration of apps and runners",
		newSet(sh), newGet(sh), newDelete(sh))
}

type scopeOptions struct {
	scope, labels string
	runner        bool
	internal      bool
	file          bool
	sensitive     bool
}

func (o *scopeOptions) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.scope, "scope", "project", "scope of the variable: global, project or app")
	cmd.Flags().StringVar(&o.labels, "label-scope", "", "apply only where the labels match this selector")
	cmd.Flags().BoolVar(&o.runner, "runner", false, "set it for runners instead of apps")
}

// resolve makes the contract's scope. -app means the scope app, as people expect.
func (o *scopeOptions) resolve(cmd *cobra.Command, sh Host) (*waypointv1.ConfigScope, error) {
	out := &waypointv1.ConfigScope{Workspace: sh.Flags().Workspace, LabelSelector: o.labels, Runner: o.runner}
	level := o.scope
	if sh.Flags().App != "" && !cmd.Flags().Changed("scope") {
		level = "app"
	}
	if o.runner && !cmd.Flags().Changed("scope") {
		level = "global"
	}
	switch level {
	case "global":
		out.Level = waypointv1.ConfigScope_LEVEL_GLOBAL
		return out, nil
	case "project":
		out.Level = waypointv1.ConfigScope_LEVEL_PROJECT
	case "app":
		out.Level = waypointv1.ConfigScope_LEVEL_APP
	default:
		return nil, problem.New("USAGE", "invalid -scope %s", level).WithHint("Use global, project or app.")
	}
	s, err := scope.Find(sh)
	if err != nil {
		return nil, err
	}
	out.Project = s.Project
	if level == "project" {
		return out, nil
	}
	apps, err := scope.PickApps(sh.Flags().App, s.LocalApps(), []string{sh.Flags().App})
	if err != nil {
		return nil, err
	}
	if len(apps) != 1 || apps[0] == "" {
		return nil, problem.New("APP_NEEDED", "-scope app requires exactly one app").WithHint("Name it with -app: %s.", render.OrNone(s.LocalApps()))
	}
	out.App = apps[0]
	return out, nil
}

func newSet(sh Host) *cobra.Command {
	o := &scopeOptions{}
	var envFile string
	cmd := &cobra.Command{
		Use: "set NAME=VALUE ...", Short: "Set configuration variables", Args: shell.ArgCount(0, -1),
		Long: `Sets variables. An empty value deletes the variable. A sensitive variable stays sensitive when it is set again; to make it
readable, delete it first.

Without arguments, lines of the form NAME=VALUE are read from stdin, which keeps secrets out of the shell's history. Everything
after the = is the value, as it stands.

-env-file reads a .env file: with comments, quotes, "export", and values of several lines. A $ is not substituted. Arguments
replace what the file says; "-" is stdin.`,
		Example: "  waypoint config set PORT=8080\n  waypoint config set -env-file .env\n  waypoint config set -app web -sensitive <secrets.txt",
		RunE:    func(cmd *cobra.Command, args []string) error { return runSet(cmd, sh, o, envFile, args) },
	}
	o.register(cmd)
	cmd.Flags().StringVar(&envFile, "env-file", "", "set the variables of a .env file; -: of stdin")
	cmd.Flags().BoolVar(&o.internal, "internal", false, "internal: usable in expressions, not exported to the app")
	cmd.Flags().BoolVar(&o.sensitive, "sensitive", false, "hide the value: `waypoint config get` shows it only with -reveal, and jobs redact it")
	cmd.Flags().BoolVar(&o.file, "file", false, "write VALUE to a file; NAME is its path")
	return cmd
}

func runSet(cmd *cobra.Command, sh Host, o *scopeOptions, envFile string, args []string) error {
	args, err := allSettings(sh, cmd, envFile, args)
	if err != nil {
		return err
	}
	at, err := o.resolve(cmd, sh)
	if err != nil {
		return err
	}
	vars, err := settings(args, at, validate.ConfigName)
	if err != nil {
		return err
	}
	for _, v := range vars {
		v.Internal, v.File, v.Sensitive = o.internal, o.file, o.sensitive
	}
	ctx := cmd.Context()
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Config.SetConfig(ctx, connect.NewRequest(&waypointv1.SetConfigRequest{Variables: vars})); err != nil {
		return fmt.Errorf("setting the configuration: %w", err)
	}
	what := []string{}
	deleted := 0
	for _, v := range vars {
		if v.GetValue() == "" {
			deleted++
		}
	}
	if set := len(vars) - deleted; set > 0 {
		what = append(what, "Set "+render.Plural(set, "variable"))
	}
	if deleted > 0 {
		what = append(what, "Deleted "+render.Plural(deleted, "variable")+" without a value")
	}
	sh.Progressf("%s. Running apps get it within 30 seconds.\n", strings.Join(what, ". "))
	return nil
}

// allSettings are the NAME=VALUE settings of the env file and the arguments; a name of both has the argument's value.
func allSettings(sh Host, cmd *cobra.Command, envFile string, args []string) ([]string, error) {
	if envFile == "" {
		return settingArgs(sh, cmd, args)
	}
	file, err := readEnvFile(sh.Env().In, envFile)
	if err != nil {
		return nil, err
	}
	given := map[string]bool{}
	for _, a := range args {
		name, _, _ := strings.Cut(a, "=")
		given[name] = true
	}
	var out []string
	for _, s := range file {
		if !given[s.name] {
			out = append(out, s.name+"="+s.value)
		}
	}
	return append(out, args...), nil
}

// settingArgs are the NAME=VALUE arguments; without any, such lines from stdin.
func settingArgs(sh Host, cmd *cobra.Command, args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	if sh.Env().InTTY {
		return nil, problem.New("USAGE", "`%s` requires NAME=VALUE arguments, or such lines on stdin", cmd.CommandPath()).WithHint("Usage: %s", cmd.UseLine())
	}
	return settingLines(sh.Env().In)
}

// settingLines reads NAME=VALUE lines; empty lines and those that begin with # do not count.
func settingLines(in io.Reader) (out []string, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, validate.MaxMessage) // a value that is too long is refused by its name
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		out = append(out, line)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading NAME=VALUE lines: %w", err)
	}
	if len(out) == 0 {
		return nil, problem.New("USAGE", "there are no NAME=VALUE lines on stdin")
	}
	return out, nil
}

func settings(args []string, at *waypointv1.ConfigScope, check func(name string) error) (out []*waypointv1.ConfigVariable, err error) {
	for i, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			// The text is not repeated: it may be a secret.
			return nil, problem.New("USAGE", "invalid argument %d: expected NAME=VALUE", i+1)
		}
		if err := check(name); err != nil {
			return nil, err
		}
		if err := validate.Size("the value of "+name, len(value), validate.MaxConfigValue); err != nil {
			return nil, err
		}
		out = append(out, &waypointv1.ConfigVariable{Name: name, Value: value, Scope: at})
	}
	return out, nil
}

type getOptions struct {
	json, raw, runner, reveal bool
	labels                    []string
}

func newGet(sh Host) *cobra.Command {
	o := &getOptions{}
	cmd := &cobra.Command{
		Use: "get [PREFIX]", Short: "Show configuration variables", Args: shell.ArgCount(0, 1),
		Long: `Shows all variables that the project may see; with -app, the set that this app gets in the workspace.

A value that was set with -sensitive, or that waypoint.hcl derived from a sensitive input variable, is shown with
-reveal only, to users who may set it.`,
		RunE: func(cmd *cobra.Command, args []string) error { return runGet(cmd.Context(), sh, o, args) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print a JSON array")
	cmd.Flags().BoolVar(&o.raw, "raw", false, "print only the value of the variable NAME")
	cmd.Flags().BoolVar(&o.runner, "runner", false, "show the variables of runners instead of apps")
	cmd.Flags().BoolVar(&o.reveal, "reveal", false, "show sensitive values too")
	cmd.Flags().StringArrayVar(&o.labels, "label", nil, "labels to match the selectors against, k=v (repeatable)")
	return cmd
}

func runGet(ctx context.Context, sh Host, o *getOptions, args []string) error {
	req := &waypointv1.GetConfigRequest{App: sh.Flags().App, Workspace: sh.Flags().Workspace, Runner: o.runner, Reveal: o.reveal}
	var err error
	if req.Labels, err = render.KeyValues("label", o.labels); err != nil {
		return err
	}
	if len(args) > 0 {
		req.Prefix = args[0]
	}
	if s, err := scope.Find(sh); err == nil {
		req.Project = s.Project
	} else if !o.runner {
		return err
	}
	if req.GetApp() != "" && req.GetWorkspace() == "" {
		req.Workspace = sh.Workspace()
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	vars, err := allVariables(ctx, c, req)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	if o.raw {
		return rawConfig(sh, vars, req)
	}
	if o.json {
		return sh.PrintJSON(jsonConfig(vars, o.reveal))
	}
	cols := []terminal.Column{{Title: "SCOPE", Rank: 1}, {Title: "NAME"}, {Title: "VALUE"}, {Title: "WORKSPACE", Rank: 2}, {Title: "LABELS", Rank: 3}}
	return records.Show(sh, false, vars, "configuration variables", cols, func(v *waypointv1.ConfigVariable) []string {
		workspace := v.GetScope().GetWorkspace()
		if workspace == "" {
			workspace = "(all)"
		}
		return []string{configScopeName(v.GetScope()), v.GetName(), shownValue(v, o.reveal), workspace, v.GetScope().GetLabelSelector()}
	})
}

// shownValue is the value of a variable in a table.
func shownValue(v *waypointv1.ConfigVariable, reveal bool) string {
	if v.GetSensitive() && (!reveal || v.GetValue() == "") { // none is empty: it is not the caller's to see
		return "(sensitive)"
	}
	return v.GetValue()
}

// jsonConfig is the JSON form of variables: a sensitive one has no value, rather than an empty one, unless it is
// revealed.
func jsonConfig(vars []*waypointv1.ConfigVariable, reveal bool) []any {
	out := make([]any, len(vars))
	for i, v := range vars {
		object := render.Object(v)
		if v.GetSensitive() && !reveal {
			delete(object, "value")
		}
		out[i] = object
	}
	return out
}

// allVariables reads variables, page after page.
func allVariables(ctx context.Context, c *client.Client, req *waypointv1.GetConfigRequest) ([]*waypointv1.ConfigVariable, error) {
	var all []*waypointv1.ConfigVariable
	for req.Page = (&waypointv1.Page{Size: validate.MaxPage}); ; {
		res, err := c.Config.GetConfig(ctx, connect.NewRequest(req))
		if err != nil {
			return nil, err
		}
		all = append(all, res.Msg.GetVariables()...)
		if req.Page.Token = res.Msg.GetNextPageToken(); req.GetPage().GetToken() == "" {
			return all, nil
		}
	}
}

func rawConfig(sh Host, vars []*waypointv1.ConfigVariable, req *waypointv1.GetConfigRequest) error {
	name := req.GetPrefix()
	var found []*waypointv1.ConfigVariable
	for _, v := range vars {
		if v.GetName() == name {
			found = append(found, v)
		}
	}
	if name == "" || len(found) == 0 {
		return problem.New("NOT_FOUND", "there is no variable %q", name).WithHint("-raw prints the value of one variable: `waypoint config get -raw NAME`.")
	}
	if len(found) > 1 {
		return problem.New("AMBIGUOUS", "%q is set in %d scopes", name, len(found)).WithHint("Add -app (and -workspace) to get the value that one app receives.")
	}
	if found[0].GetSensitive() && req.GetReveal() && found[0].GetValue() == "" {
		return problem.New("PERMISSION_DENIED", "you may not read the value of %q", name).WithHint("Only admins may read the variables of runners.")
	}
	if found[0].GetSensitive() && !req.GetReveal() {
		return problem.New("SENSITIVE", "%q is sensitive: its value is not shown", name).WithHint("Add -reveal to print it.")
	}
	sh.Write(found[0].GetValue() + "\n")
	return nil
}

func configScopeName(s *waypointv1.ConfigScope) string {
	name := render.Enum(s.GetLevel().String(), "LEVEL_")
	if s.GetApp() != "" {
		name += " " + s.GetApp()
	}
	if s.GetRunner() {
		name += " (runner)"
	}
	return name
}

func newDelete(sh Host) *cobra.Command {
	o := &scopeOptions{}
	cmd := &cobra.Command{
		Use: "delete NAME ...", Short: "Delete configuration variables", Args: shell.ArgCount(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return runDelete(cmd, sh, o, args) },
	}
	o.register(cmd)
	return cmd
}

func runDelete(cmd *cobra.Command, sh Host, o *scopeOptions, names []string) error {
	at, err := o.resolve(cmd, sh)
	if err != nil {
		return err
	}
	return deleteConfig(cmd.Context(), sh, at, names, validate.ConfigName)
}

func deleteConfig(ctx context.Context, sh Host, at *waypointv1.ConfigScope, names []string, check func(name string) error) error {
	req := &waypointv1.DeleteConfigRequest{}
	for _, name := range names {
		if err := check(name); err != nil {
			return err
		}
		req.Variables = append(req.Variables, &waypointv1.ConfigVariable{Name: name, Scope: at})
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	res, err := c.Config.DeleteConfig(ctx, connect.NewRequest(req))
	if err != nil {
		return fmt.Errorf("deleting variables: %w", err)
	}
	sh.Progressf("Deleted %s.\n", render.Plural(int(res.Msg.GetDeleted()), "variable"))
	return nil
}
