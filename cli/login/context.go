package login

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/api/validate"
	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// NewContext makes the command context and those below it.
func NewContext(sh Host) *cobra.Command {
	return shell.Group("context", "Manage the servers that this CLI connects to",
		newContextCreate(sh), newContextUse(sh), newContextList(sh), newContextInspect(sh), newContextVerify(sh),
		newContextSet(sh), newContextRename(sh), newContextClear(sh), newContextDelete(sh))
}

type contextOptions struct {
	addr, token, platform string
	setDefault, json, all bool
}

func newContextCreate(sh Host) *cobra.Command {
	o := &contextOptions{}
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a context", Args: shell.ArgCount(1, 1),
		Long: `Creates a context. "waypoint login" does the same and checks the token; this command does not call the server.`,
		RunE: func(_ *cobra.Command, args []string) error { return runContextCreate(sh, o, args[0]) },
	}
	cmd.Flags().StringVar(&o.addr, "server-addr", "", "address of the server: https://HOST, http://127.0.0.1:PORT or unix:///PATH")
	cmd.Flags().StringVar(&o.token, "server-auth-token", "", `the token, or "-" to read it from stdin`)
	cmd.Flags().StringVar(&o.platform, "server-platform", "", "platform of the server: local or aws")
	cmd.Flags().BoolVar(&o.setDefault, "set-default", true, "make it the default context")
	for _, old := range []string{"server-tls", "server-tls-skip-verify", "server-require-auth"} {
		cmd.Flags().Bool(old, true, "not supported: the scheme of the address selects TLS")
		_ = cmd.Flags().MarkHidden(old)
	}
	return cmd
}

func runContextCreate(sh Host, o *contextOptions, name string) error {
	if o.addr == "" {
		return problem.New("USAGE", "the server's address is missing").WithHint("Add -server-addr, for example https://waypoint.example.com.")
	}
	if err := contexts.CheckName(name); err != nil {
		return err
	}
	token := ""
	if o.token != "" {
		var err error
		if token, err = readToken(sh, o.token); err != nil {
			return err
		}
	}
	conn, err := sh.Probe(contexts.Context{Address: o.addr})
	if err != nil {
		return err
	}
	conn.CloseIdle()
	store, err := sh.ContextStore()
	if err != nil {
		return err
	}
	if _, err := store.Load(name); err == nil {
		return problem.New("ALREADY_EXISTS", "the context %q already exists", name).WithHint("Delete it first: `waypoint context delete %s`.", name)
	}
	if err := store.Save(name, contexts.Context{Address: o.addr, Token: token, Platform: o.platform, Workspace: sh.Flags().Workspace}); err != nil {
		return err
	}
	if o.setDefault {
		if err := store.SetDefault(name); err != nil {
			return err
		}
	}
	sh.Progressf("Created the context %q.\n", name)
	return nil
}

func newContextUse(sh Host) *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Select the default context", Args: shell.ArgCount(1, 1), ValidArgsFunction: completion.Contexts(sh),
		RunE: func(_ *cobra.Command, args []string) error { return runContextUse(sh, args[0]) },
	}
}

func runContextUse(sh Host, name string) error {
	store, err := sh.ContextStore()
	if err != nil {
		return err
	}
	if err := contextMissing(store, name, store.SetDefault(name)); err != nil {
		return err
	}
	sh.Progressf("The context %q is now the default.\n", name)
	if env := sh.Env().Get("WAYPOINT_CONTEXT"); env != "" && env != name {
		sh.Warnf("WAYPOINT_CONTEXT is set to %q and overrides the default.", env)
	}
	return nil
}

// contextMissing adds to a missing context what there is; a context of HashiCorp Waypoint is said to be one.
func contextMissing(store contexts.Store, name string, err error) error {
	if !errors.Is(err, contexts.ErrNotFound) {
		return err
	}
	if l, legacyErr := store.LoadLegacy(name); legacyErr == nil {
		return shell.LegacyProblem(l)
	}
	names, listErr := store.List()
	if listErr != nil {
		return listErr
	}
	return problem.New("CONTEXT_NOT_FOUND", "there is no context %q", name).WithHint("The contexts: %s.", render.OrNone(names))
}

func newContextList(sh Host) *cobra.Command {
	o := &contextOptions{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the contexts", Args: shell.ArgCount(0, 0),
		RunE: func(*cobra.Command, []string) error { return runContextList(sh, o) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print a JSON array")
	return cmd
}

func runContextList(sh Host, o *contextOptions) error {
	store, err := sh.ContextStore()
	if err != nil {
		return err
	}
	names, err := store.List()
	if err != nil {
		return err
	}
	current, err := sh.CurrentContext(store)
	if err != nil {
		return err
	}
	list := make([]any, 0, len(names))
	t := terminal.Table{Columns: []terminal.Column{{Title: ""}, {Title: "NAME"}, {Title: "PLATFORM", Rank: 2}, {Title: "ADDRESS"}, {Title: "WORKSPACE", Rank: 1}}}
	for _, name := range names {
		c, err := store.Load(name)
		if err != nil {
			sh.Warnf("%s", err.Error())
			continue
		}
		list = append(list, contextObject(name, c, name == current))
		t.Rows = append(t.Rows, []string{render.Mark(name == current), name, c.Platform, c.Address, c.Workspace})
	}
	if o.json {
		return sh.PrintJSON(list)
	}
	if len(t.Rows) == 0 {
		sh.Progressf("No contexts. `waypoint install --platform=local` or `waypoint login ADDRESS` creates one.\n")
	} else {
		sh.Table(t)
	}
	old, err := store.Legacy()
	if err == nil && len(old) > 0 {
		sh.Progressf("The directory %s also has contexts of HashiCorp Waypoint, which this CLI cannot use: %s.\n", store.Dir, render.OrNone(old))
	}
	return err
}

// contextObject is a context for programs; the token stays in its file.
func contextObject(name string, c contexts.Context, current bool) map[string]any {
	return map[string]any{
		"name": name, "default": current, "address": c.Address, "platform": c.Platform, "workspace": c.Workspace, "has_token": c.Token != "",
	}
}

func newContextInspect(sh Host) *cobra.Command {
	o := &contextOptions{}
	cmd := &cobra.Command{
		Use: "inspect [NAME]", Short: "Show a context, the current one by default", Args: shell.ArgCount(0, 1), ValidArgsFunction: completion.Contexts(sh),
		RunE: func(_ *cobra.Command, args []string) error { return runContextInspect(sh, o, args) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runContextInspect(sh Host, o *contextOptions, args []string) error {
	store, name, c, err := namedContext(sh, args)
	if err != nil {
		return err
	}
	def, err := store.Default()
	if err != nil {
		return err
	}
	if o.json {
		return sh.PrintJSON(contextObject(name, c, name == def))
	}
	token := "none"
	if c.Token != "" {
		token = "set (not shown)"
	}
	facts := [][2]string{{"Name", name}, {"Address", c.Address}, {"Token", token}, {"Platform", c.Platform}, {"Workspace", c.Workspace}}
	if c.Dir != "" {
		facts = append(facts, [2]string{"Data", c.Dir})
	}
	sh.NamedValues(facts)
	return nil
}

// namedContext loads the context of an argument, or the current one.
func namedContext(sh Host, args []string) (store contexts.Store, name string, c contexts.Context, err error) {
	if store, err = sh.ContextStore(); err != nil {
		return store, "", c, err
	}
	if len(args) > 0 {
		name = args[0]
	} else if name, err = sh.CurrentContext(store); err != nil {
		return store, "", c, err
	}
	if name == "" {
		err = sh.NoServer(store)
		if errors.Is(err, shell.ErrNoServer) {
			err = problem.New("NO_CONTEXT", "no context exists").WithHint("`waypoint install --platform=local` or `waypoint login ADDRESS` creates one.")
		}
		return store, "", c, err
	}
	c, err = store.Load(name)
	return store, name, c, contextMissing(store, name, err)
}

func newContextVerify(sh Host) *cobra.Command {
	return &cobra.Command{
		Use: "verify [NAME]", Short: "Check that a context's server answers and accepts its token", Args: shell.ArgCount(0, 1), ValidArgsFunction: completion.Contexts(sh),
		RunE: func(cmd *cobra.Command, args []string) error { return runContextVerify(cmd.Context(), sh, args) },
	}
}

func runContextVerify(ctx context.Context, sh Host, args []string) error {
	_, name, c, err := namedContext(sh, args)
	if err != nil {
		return err
	}
	if c.Platform == "local" && c.Dir != "" {
		if err := sh.StartLocal(ctx, &shell.Server{Context: c}); err != nil {
			return err
		}
	}
	info, err := sh.CheckServer(ctx, c)
	if err != nil {
		return err
	}
	sh.Printf("The context %q works: server %s at %s, you are %q.\n", name, info.GetVersion(), c.Address, info.GetPrincipal().GetName())
	return nil
}

func newContextSet(sh Host) *cobra.Command {
	return &cobra.Command{
		Use: "set [NAME]", Short: "Set the workspace that a context uses", Args: shell.ArgCount(0, 1), ValidArgsFunction: completion.Contexts(sh),
		Example: "  waypoint context set -workspace staging",
		RunE:    func(_ *cobra.Command, args []string) error { return runContextSet(sh, args) },
	}
}

func runContextSet(sh Host, args []string) error {
	if sh.Flags().Workspace == "" {
		return problem.New("USAGE", "there is nothing to set").WithHint("Add -workspace NAME.")
	}
	if err := validate.Workspace(sh.Flags().Workspace); err != nil {
		return err
	}
	store, name, c, err := namedContext(sh, args)
	if err != nil {
		return err
	}
	c.Workspace = sh.Flags().Workspace
	if err := store.Save(name, c); err != nil {
		return err
	}
	sh.Progressf("The context %q now uses the workspace %s.\n", name, c.Workspace)
	return nil
}

func newContextRename(sh Host) *cobra.Command {
	return &cobra.Command{
		Use: "rename FROM TO", Short: "Give a context another name", Args: shell.ArgCount(2, 2), ValidArgsFunction: completion.Contexts(sh),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := sh.ContextStore()
			if err != nil {
				return err
			}
			if err := contextMissing(store, args[0], store.Rename(args[0], args[1])); err != nil {
				return err
			}
			sh.Progressf("Renamed the context %q to %q.\n", args[0], args[1])
			return nil
		},
	}
}

func newContextClear(sh Host) *cobra.Command {
	return &cobra.Command{
		Use: "clear", Short: "Clear the default context", Args: shell.ArgCount(0, 0),
		RunE: func(*cobra.Command, []string) error {
			store, err := sh.ContextStore()
			if err != nil {
				return err
			}
			if err := store.SetDefault(""); err != nil {
				return err
			}
			sh.Progressf("No context is the default now. `waypoint context use NAME` selects one.\n")
			return nil
		},
	}
}

func newContextDelete(sh Host) *cobra.Command {
	o := &contextOptions{}
	cmd := &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Delete a context", Args: shell.ArgCount(0, 1), ValidArgsFunction: completion.Contexts(sh),
		RunE: func(_ *cobra.Command, args []string) error { return runContextDelete(sh, o, args) },
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "delete all contexts")
	return cmd
}

func runContextDelete(sh Host, o *contextOptions, args []string) error {
	if o.all == (len(args) == 1) {
		return problem.New("USAGE", "`waypoint context delete` requires one name, or -all")
	}
	store, err := sh.ContextStore()
	if err != nil {
		return err
	}
	if o.all {
		if args, err = store.List(); err != nil {
			return err
		}
	}
	for _, name := range args {
		if err := contextMissing(store, name, store.Delete(name)); err != nil {
			return err
		}
		sh.Progressf("Deleted the context %q.\n", name)
	}
	return nil
}
