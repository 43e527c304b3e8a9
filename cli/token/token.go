package token

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// New makes the command token and those below it.
func New(sh Host) *cobra.Command {
	return shell.Group("token", "Create, list and revoke tokens", newCreate(sh), newList(sh), newRevoke(sh))
}

// NewForRunner makes the command `runner token`: `token create` for a runner, under the name that the original has.
func NewForRunner(sh Host) *cobra.Command {
	cmd := newCreate(sh)
	cmd.Use, cmd.Aliases, cmd.Short = "token NAME", nil, "Create a token for a runner"
	cmd.Example = "  waypoint runner token eu-1 -project web -label region=eu"
	kind := cmd.Flags().Lookup("kind")
	kind.DefValue, kind.Hidden = "runner", true
	_ = kind.Value.Set("runner")
	return cmd
}

type createOptions struct {
	kind        string
	role        string
	expiresIn   time.Duration
	labels      []string
	projects    []string
	allProjects bool
	json        bool
}

func newCreate(sh Host) *cobra.Command {
	o := &createOptions{}
	cmd := &cobra.Command{
		Use: "create NAME", Aliases: []string{"new"}, Short: "Create a token for a person, a CI job or a runner", Args: shell.ArgCount(1, 1),
		Long: `Creates a token and prints it to stdout, once: the server keeps only its hash.

A user token has a role for all projects, or with -project for that one: viewer (reads everything but secrets),
deployer (queues jobs, sets configuration) or admin (everything).

A runner token is for "waypoint runner agent". Its holder can run every job of its projects that requires no other labels,
and receives with the job the git credentials of the project, the configuration for runners with its labels and all input
variables. It can read the projects' records, job output and logs, and nothing of other projects. On a server that is not
on this machine, list its projects, or pass -all-projects.`,
		Example: "  waypoint token create ci -role deployer -project web\n  waypoint token create eu-1 -kind runner -project web -label region=eu",
		RunE:    func(cmd *cobra.Command, args []string) error { return runCreate(cmd.Context(), sh, o, args[0]) },
	}
	cmd.Flags().StringVar(&o.kind, "kind", "user", "user or runner")
	cmd.Flags().StringVar(&o.role, "role", "deployer", "role of a user token: viewer, deployer or admin")
	cmd.Flags().DurationVar(&o.expiresIn, "expires-in", 720*time.Hour, "how long the token is valid; 0: forever")
	cmd.Flags().StringArrayVar(&o.labels, "label", nil, "label that a runner with this token has, k=v (repeatable)")
	cmd.Flags().StringArrayVarP(&o.projects, "project", "p", nil, "project that the token is for (repeatable); by default a user's is for all")
	cmd.Flags().BoolVar(&o.allProjects, "all-projects", false, "let a runner with this token run the jobs of all projects")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON, the token in it")
	return cmd
}

func runCreate(ctx context.Context, sh Host, o *createOptions, name string) error {
	if len(name) > validate.MaxTokenName || strings.TrimSpace(name) == "" {
		return problem.New("USAGE", "a token's name has 1 to %d characters", validate.MaxTokenName)
	}
	if o.expiresIn < 0 {
		return problem.New("USAGE", "-expires-in must be positive, got %s", o.expiresIn)
	}
	req := &waypointv1.CreateTokenRequest{Name: name, ExpiresInSeconds: int64(o.expiresIn / time.Second)}
	labels, err := render.KeyValues("label", o.labels)
	if err != nil {
		return err
	}
	if len(o.projects) == 0 && sh.Flags().Project != "" { // given before the command's name
		o.projects = []string{sh.Flags().Project}
	}
	switch o.kind {
	case "user":
		role, err := render.EnumFlag("role", o.role, "ROLE_", waypointv1.Role_value)
		if err != nil {
			return err
		}
		req.Kind, req.Roles = waypointv1.TokenKind_TOKEN_KIND_USER, map[string]waypointv1.Role{}
		for _, project := range o.projects {
			req.Roles[project] = waypointv1.Role(role)
		}
		if len(o.projects) == 0 {
			req.Roles[""] = waypointv1.Role(role)
		}
		if labels != nil || o.allProjects {
			return problem.New("USAGE", "-label and -all-projects are for runner tokens").WithHint("Add -kind runner.")
		}
	case "runner":
		if o.allProjects && len(o.projects) > 0 {
			return problem.New("USAGE", "-project and -all-projects cannot be combined")
		}
		req.Kind, req.RunnerLabels = waypointv1.TokenKind_TOKEN_KIND_RUNNER, labels
		req.Projects, req.AllProjects = o.projects, o.allProjects
	default:
		return problem.New("USAGE", "invalid -kind %s", o.kind).WithHint("Use user or runner.")
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	res, err := c.Token.CreateToken(ctx, connect.NewRequest(req))
	if err != nil {
		return fmt.Errorf("making the token: %w", err)
	}
	if res.Msg.GetSecret() == "" {
		return problem.New("TOKEN_NOT_SHOWN", "the token was created, but the response was lost: it cannot be shown again").
			WithHint("Revoke it with `waypoint token revoke %s` and create another.", res.Msg.GetToken().GetId())
	}
	if o.json {
		m := render.Object(res.Msg.GetToken())
		m["token"] = res.Msg.GetSecret()
		return sh.PrintJSON(m)
	}
	sh.Printf("%s\n", res.Msg.GetSecret())
	if o.kind == "runner" {
		sh.Progressf("This is shown once. Set it as WAYPOINT_SERVER_TOKEN, with WAYPOINT_SERVER_ADDR=%s, where `waypoint runner agent` starts.\n", sh.Server().Address)
		return nil
	}
	sh.Progressf("This is shown once. Use it with `waypoint login %s`, or as WAYPOINT_SERVER_TOKEN.\n", sh.Server().Address)
	return nil
}

func newList(sh Host) *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List tokens (never their values)", Args: shell.ArgCount(0, 0),
		Long: `Lists the tokens of people and runners. Each existing deployment also has a token for its app, which ends with the
deployment; -all lists those too.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), sh, asJSON, all) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	cmd.Flags().BoolVar(&all, "all", false, "list the tokens of deployments too")
	return cmd
}

func runList(ctx context.Context, sh Host, asJSON, all bool) error {
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	list := func(entrypoints bool) ([]*waypointv1.Token, error) {
		return render.Pages(0, func(p *waypointv1.Page) ([]*waypointv1.Token, string, error) {
			res, err := c.Token.ListTokens(ctx, connect.NewRequest(&waypointv1.ListTokensRequest{Page: p, Entrypoints: entrypoints}))
			if err != nil {
				return nil, "", err
			}
			return res.Msg.GetTokens(), res.Msg.GetNextPageToken(), nil
		})
	}
	tokens, err := list(false)
	if err != nil {
		return err
	}
	if all {
		entrypoints, err := list(true)
		if err != nil {
			return err
		}
		tokens = append(tokens, entrypoints...)
	}
	cols := []terminal.Column{
		{Title: "ID"}, {Title: "NAME"}, {Title: "KIND", Rank: 1}, {Title: "MAY"}, {Title: "CREATED", Rank: 3}, {Title: "EXPIRES", Rank: 2}, {Title: "BY", Rank: 4},
	}
	return records.Show(sh, asJSON, tokens, "tokens", cols, func(t *waypointv1.Token) []string {
		return []string{
			t.GetId(), t.GetName(), render.Enum(t.GetKind().String(), "TOKEN_KIND_"), render.MayText(t),
			sh.Ago(render.Unix(t.GetCreatedUnix())), sh.Ago(render.Unix(t.GetExpiresUnix())), t.GetCreatedBy(),
		}
	})
}

func newRevoke(sh Host) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token; it stops working within 30 seconds", Args: shell.ArgCount(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return runRevoke(cmd.Context(), sh, args[0]) },
	}
}

func runRevoke(ctx context.Context, sh Host, id string) error {
	id = strings.ToUpper(id)
	if strings.HasPrefix(id, "WP_") {
		return problem.New("USAGE", "`waypoint token revoke` takes a token's id, not the token itself").WithHint("`waypoint token list` shows the ids.")
	}
	if err := validate.ID("id", id); err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	res, err := c.Token.RevokeToken(ctx, connect.NewRequest(&waypointv1.RevokeTokenRequest{Id: id}))
	if err != nil {
		return fmt.Errorf("revoking the token: %w", err)
	}
	sh.Progressf("Revoked the token %q. It stops working within 30 seconds.\n", res.Msg.GetToken().GetName())
	return nil
}
