package doctor

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/install"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

type options struct {
	install.AWSFlags
	platform           string
	json               bool
	bundle, withConfig bool
}

// New makes the command doctor.
func New(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "doctor [FILE]", Short: "Check the server and what it depends on", Args: shell.ArgCount(0, 1),
		Long: `Checks everything that the server of the current context consists of and depends on, and prints what to do about each
problem. It changes nothing and starts nothing. The exit code is 1 if something is broken; warnings and notes do not
change it.

For a server on AWS: credentials, clock, permissions, quotas, the stack, versions, the encryption key, table, queues, each
function, and the API. For others: the address, the token, versions, clock, runners, and the local server's processes and data
directory. On this machine: disk space, git and the Docker engine that the docker plugins would use. If one of these does
not work, that is a failure where the project of this directory uses it, or one that is registered with the local server.

With -bundle it writes an archive for a bug report to FILE instead: the checks, versions, names and addresses of contexts, the
ends of the local server's logs, and the latest failed jobs with their steps and errors. Tokens, configuration, passwords and
values of variables are removed. It lists what the archive holds: read that before you send it.`,
		Example: "  waypoint doctor\n  waypoint doctor -bundle\n  waypoint doctor -bundle -with-config report.tar.gz",
		RunE:    func(cmd *cobra.Command, args []string) error { return run(cmd, sh, o, args) },
	}
	o.AWSFlags.Register(cmd)
	cmd.Flags().StringVar(&o.platform, "platform", "", "aws: check an installation in an AWS account, whatever the context is")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the checks as JSON")
	cmd.Flags().BoolVar(&o.bundle, "bundle", false, "write an archive for a bug report, by default waypoint-report-DATE.tar.gz in this directory")
	cmd.Flags().BoolVar(&o.withConfig, "with-config", false, "-bundle: include the project's waypoint.hcl")
	_ = cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"aws", "local"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func run(cmd *cobra.Command, sh Host, o *options, args []string) error {
	if o.platform != "" {
		if err := install.CheckPlatform(o.platform); err != nil {
			return err
		}
	}
	if len(args) > 0 && !o.bundle {
		return problem.New("USAGE", "FILE is the archive that -bundle writes").WithHint("Use `waypoint doctor -bundle %s`.", args[0])
	}
	if o.withConfig && !o.bundle {
		return problem.New("USAGE", "-with-config is for -bundle")
	}
	checks, err := check(cmd, sh, o)
	if o.bundle {
		if err != nil { // no server is one of the things that a report is about
			r := shell.Explain(err, nil)
			add := adder(&checks)
			add("server", "failed", r.Hint, "%s", r.Message)
			examineMachine(cmd.Context(), sh, projectHere(cmd.Context(), sh), add)
		}
		return runBundle(cmd.Context(), sh, o, args, checks)
	}
	if err != nil {
		return err
	}
	return showChecks(sh, checks, o.json)
}

// check examines the server that the flags or the context name.
func check(cmd *cobra.Command, sh Host, o *options) ([]infra.Check, error) {
	s, err := sh.ChosenServer()
	switch {
	case o.platform == "aws" || o.platform == "" && err == nil && s.AWS != nil:
		return checkAWS(cmd, sh, o, s, err == nil)
	case errors.Is(err, shell.ErrNoServer):
		return nil, problem.New("NO_SERVER", "no Waypoint server is configured").
			WithHint("Run `waypoint install --platform=local` or `waypoint install --platform=aws` to install one, or `waypoint login ADDRESS` to use an existing one.")
	case err != nil:
		return nil, err
	}
	return examine(cmd.Context(), sh, s), nil
}

// checkAWS examines an installation in an AWS account: the one that the context names, if there is one.
func checkAWS(cmd *cobra.Command, sh Host, o *options, s *shell.Server, chosen bool) ([]infra.Check, error) {
	ctx := cmd.Context()
	if chosen && s.AWS != nil && !cmd.Flags().Changed("name") && !cmd.Flags().Changed("region") {
		o.Name, o.Region = s.AWS.Name, s.AWS.Region
		if o.Profile == "" && sh.Env().Get("AWS_PROFILE") == "" && sh.Env().Get("AWS_ACCESS_KEY_ID") == "" {
			o.Profile = s.AWS.Profile
		}
	}
	options, end, err := o.Options(ctx, sh, true)
	if err != nil {
		return nil, err
	}
	options.Expected = func(id infra.Identity) string {
		name, c, err := install.InstallationContext(sh, &o.AWSFlags)
		if err != nil || !install.LeadsTo(c, o.Name, id, aws.ToString(options.Config.BaseEndpoint)) {
			return ""
		}
		return name
	}
	options.Version, options.Progress = version.Version(), nil
	checks, err := infra.Doctor(ctx, options)
	if end(err == nil); err != nil {
		return nil, err
	}
	examineMachine(ctx, sh, projectHere(ctx, sh), adder(&checks))
	return checks, nil
}

// showChecks prints them; a check that failed is the command's failure.
func showChecks(sh Host, checks []infra.Check, json bool) error {
	failed := 0
	color := sh.OutSetting().Color()
	styles := map[string]terminal.Style{"ok": terminal.Success, "warning": terminal.Warning, "failed": terminal.Failure, "note": terminal.Dim}
	for _, c := range checks {
		if c.Status == "failed" {
			failed++
		}
		if json {
			continue
		}
		sh.Prosef(24, "%s  %-14s %s\n", terminal.Paint(fmt.Sprintf("%-7s", c.Status), styles[c.Status], color), c.Name, c.Detail)
		if c.Fix != "" {
			sh.Prosef(2, "         %-14s → %s\n", "", c.Fix)
		}
	}
	if json {
		if err := sh.PrintJSON(asObject(checks)); err != nil {
			return err
		}
	}
	if failed > 0 {
		return problem.ErrSilent
	}
	return nil
}

// asObject is the JSON form of checks.
func asObject(checks []infra.Check) map[string]any {
	rows, ok := make([]any, len(checks)), true
	for n, c := range checks {
		rows[n] = map[string]any{"name": c.Name, "status": c.Status, "detail": c.Detail, "fix": c.Fix}
		ok = ok && c.Status != "failed"
	}
	return map[string]any{"ok": ok, "checks": rows}
}
