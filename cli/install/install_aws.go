package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/infra/template"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

// awsInstallOptions are what install and upgrade take for AWS.
type awsInstallOptions struct {
	AWSFlags
	arch             string
	parameters, tags []string
	policy, receipt  bool
	json             bool
}

func (o *awsInstallOptions) Register(cmd *cobra.Command) {
	o.AWSFlags.Register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.arch, "arch", "", "aws: architecture of the functions: arm64 (the default, cheaper) or amd64")
	f.StringArrayVar(&o.parameters, "parameter", nil, "aws: NAME=VALUE of the template, can be repeated: "+strings.Join(infra.SettableParameters(), ", "))
	f.StringArrayVar(&o.tags, "tag", nil, "aws: tag for all resources, KEY=VALUE (repeatable)")
	f.BoolVar(&o.policy, "print-policy", false, "aws: print the IAM policy that installing, upgrading and uninstalling need, and do nothing")
	f.BoolVar(&o.receipt, "receipt", false, "aws: print the receipt (every resource, what each role may do, the idle price), and do nothing")
	f.BoolVar(&o.json, "json", false, "aws: print the result as JSON; never asks")
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]string{"arm64", "amd64"}, cobra.ShellCompDirectiveNoFileComp))
}

// chosen are the template's parameters that the flags set.
func (o *awsInstallOptions) chosen(code functionCode, emulated bool) (map[string]string, error) {
	params, err := pairs("parameter", o.parameters)
	if err != nil {
		return nil, err
	}
	switch _, given := params[template.ParamArchitecture]; {
	case o.arch != "":
		arch, ok := architectures[strings.ToLower(o.arch)]
		if !ok {
			return nil, problem.New("USAGE", "invalid --arch=%s", o.arch).WithHint("Use arm64 or amd64.")
		}
		params[template.ParamArchitecture] = arch
	case !given:
		if arch := code.architecture(emulated); arch != "" {
			params[template.ParamArchitecture] = arch
		}
	}
	return params, nil
}

// runAWS installs or upgrades.
func runAWS(ctx context.Context, sh Host, o *awsInstallOptions, contextName string, approved, upgrade bool) error {
	switch {
	case o.policy:
		policy, err := infra.PrintPolicy(o.Name, "", o.Region)
		if err == nil {
			sh.Write(policy)
		}
		return err
	case o.receipt:
		return printReceiptAWS(sh, o)
	}
	if contextName != "" {
		if err := contexts.CheckName(contextName); err != nil {
			return err
		}
	}
	o.context = contextName
	store, err := sh.ContextStore()
	if err != nil {
		return err
	}
	options, end, err := o.Options(ctx, sh, upgrade)
	if err != nil {
		return err
	}
	endpoint := aws.ToString(options.Config.BaseEndpoint)
	options.Identified = func(id infra.Identity) (err error) {
		contextName, err = o.contextFor(sh, store, id, endpoint)
		return err
	}
	code := functionCode{executable: sh.Env().Executable}
	if options.Parameters, err = o.chosen(code, endpoint != ""); err != nil {
		return err
	}
	if options.Tags, err = pairs("tag", o.tags); err != nil {
		return err
	}
	options.Version, options.Code = version.Version(), code.zip
	options.AdminToken = tokenName(sh)
	options.KeepToken = func(ctx context.Context, address string) bool {
		return holdsToken(ctx, sh, store, contextName, address)
	}
	changes := upgrade // an installation that is there
	options.Confirm = func(p infra.Plan) (bool, error) {
		end(true)
		changes = p.Operation == "upgrade"
		if len(p.Changes) > 0 || p.Operation != "upgrade" {
			showPlan(sh, p)
		}
		return agree(sh, fmt.Sprintf("%s %s in account %s, region %s?", doing[p.Operation], p.Name, p.Account, p.Region), approved, o.json)
	}
	began := sh.Env().Now()
	run := infra.Install
	if upgrade {
		run = infra.Upgrade
	}
	r, err := run(ctx, options)
	end(err == nil || notDone(err))
	if err != nil {
		if unfinished := new(infra.Unfinished); errors.As(err, &unfinished) {
			sayUnfinished(sh, &o.AWSFlags, changes, unfinished)
		}
		return interrupted(ctx, err, "Run the command again: it continues where it stopped.")
	}
	at := contexts.AWS{Name: o.Name, Account: r.Identity.Account, Region: r.Identity.Region, Profile: o.Profile, Endpoint: endpoint}
	if err := saveAWS(sh, store, contextName, at, r); err != nil {
		return err
	}
	if o.json {
		return sh.PrintJSON(resultJSON(r, o.Name, contextName))
	}
	if r.Changed {
		showReceipt(sh, r.Receipt, r.Identity)
	}
	done := "is installed"
	switch {
	case !r.Changed:
		done = "was already installed"
	case upgrade:
		done = "has been upgraded"
	}
	sh.Progressf("%s %s: version %s, after %s. The API is at %s.\n", o.Name, done, r.Version, terminal.Duration(sh.Env().Now().Sub(began)), r.Address)
	sh.Progressf("The context %q is the default.\n", contextName)
	sh.Progressf("Next: `waypoint up` in a project's directory. To run jobs with a git source: `waypoint runner agent`\n" +
		"with a token that `waypoint token create NAME -kind runner -project PROJECT` makes.\n")
	return nil
}

var doing = map[string]string{"install": "Install", "upgrade": "Change", "uninstall": "Remove"}

// tokenName says in the server's list of tokens who made it.
func tokenName(sh Host) string {
	who := sh.Env().Get("USER")
	if who == "" {
		who = sh.Env().Get("USERNAME")
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.Trim(who+"-"+host, "-"))
	return "install-" + name[:min(len(name), 40)]
}

// holdsToken says whether the context has a token that this server takes for an admin's.
func holdsToken(ctx context.Context, sh Host, store contexts.Store, name, address string) bool {
	c, err := store.Load(name)
	if err != nil || c.Token == "" || c.Address != address {
		return false
	}
	info, err := sh.CheckServer(ctx, c)
	return err == nil && info.GetPrincipal() != nil
}

// saveAWS writes the context and selects it.
func saveAWS(sh Host, store contexts.Store, name string, at contexts.AWS, r *infra.Result) error {
	c, err := store.Load(name)
	if err != nil && !errors.Is(err, contexts.ErrNotFound) {
		sh.Warnf("cannot read the context %q, creating it again: %s", name, err.Error())
	}
	if r.Token != "" {
		c.Token = r.Token
	}
	c.Address, c.Platform, c.Dir = r.Address, "aws", ""
	c.AWS = &at
	if err := store.Save(name, c); err != nil {
		return err
	}
	sh.ForgetServer()
	return store.SetDefault(name)
}

// sayUnfinished says what stands after an installation or a change that failed in the middle.
func sayUnfinished(sh Host, f *AWSFlags, changes bool, u *infra.Unfinished) {
	switch {
	case u.Stuck: // the error's hint says what goes on
		sh.Progressf("%s is not complete.\n", f.Name)
	case changes && u.API == infra.APIAnswers:
		sh.Progressf("The change of %s is not complete; the earlier version keeps serving. Run the same command again to continue.\n", f.Name)
	case changes && u.API == infra.APISilent:
		sh.Progressf("The change of %s is not complete, and its API does not answer now. Run the same command again to continue.\n", f.Name)
	case changes:
		sh.Progressf("The change of %s is not complete. Run the same command again to continue.\n", f.Name)
	default:
		sh.Progressf("%s is not complete, and the resources that were made stay. Run the same command again to continue; %s removes them.\n", f.Name, f.command("uninstall"))
	}
}

// agree asks. An interrupt ends the question too, so that what was prepared for it is taken back.
func agree(sh Host, question string, approved, json bool) (bool, error) {
	err := sh.MustConfirm(question, approved, json)
	return err == nil, err
}

// notDone says whether an error is that nobody agreed: then no step failed.
func notDone(err error) bool {
	var own *problem.Problem
	return errors.Is(err, shell.ErrNotConfirmed) || errors.As(err, &own) && own.Reason == "NOT_CONFIRMED"
}

// interrupted says of an operation that was cut off that it may be repeated.
func interrupted(ctx context.Context, err error, hint string) error {
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return problem.New("INTERRUPTED", "interrupted").WithHint("%s", hint)
}

// runUninstallAWS removes an installation and the contexts that led to it.
func runUninstallAWS(ctx context.Context, sh Host, f *AWSFlags, purge, approved, json bool) error {
	options, end, err := f.Options(ctx, sh, true)
	if err != nil {
		return err
	}
	endpoint := aws.ToString(options.Config.BaseEndpoint)
	options.Purge = purge
	options.Confirm = func(p infra.Plan) (bool, error) {
		end(true)
		showPlan(sh, p)
		return agree(sh, fmt.Sprintf("Remove %s from account %s, region %s?", p.Name, p.Account, p.Region), approved, json)
	}
	r, err := infra.Uninstall(ctx, options)
	end(err == nil || notDone(err))
	if err != nil {
		if unfinished := new(infra.Unfinished); errors.As(err, &unfinished) {
			sh.Progressf("%s is not completely removed. Run the same command again to continue.\n", f.Name)
		}
		return interrupted(ctx, err, "Run the command again: it removes the rest.")
	}
	gone, err := deleteContexts(sh, func(c contexts.Context) bool {
		return LeadsTo(c, f.Name, r.Identity, endpoint)
	})
	if err != nil {
		return err
	}
	if json {
		return sh.PrintJSON(map[string]any{"name": f.Name, "account": r.Identity.Account, "region": r.Identity.Region,
			"nothing": r.Nothing, "stuck": r.Stuck, "kept": append([]string{}, r.Kept...), "contexts_deleted": append([]string{}, gone...)})
	}
	switch {
	case r.Nothing:
		sh.Progressf("%s is not installed in account %s, region %s.\n", f.Name, r.Identity.Account, r.Identity.Region)
	case len(r.Kept) == 0 && r.Stuck != "":
		sh.Progressf("Removed %s from account %s, region %s.\n", f.Name, r.Identity.Account, r.Identity.Region)
	case len(r.Kept) == 0:
		sh.Progressf("Removed %s from account %s, region %s. Nothing is left.\n", f.Name, r.Identity.Account, r.Identity.Region)
	default:
		sh.Progressf("Removed %s from account %s, region %s. Kept on purpose:\n", f.Name, r.Identity.Account, r.Identity.Region)
		for _, k := range r.Kept {
			sh.Progressf("  %s\n", k)
		}
		sh.Progressf("A later %s uses them again; %s deletes them.\n", f.command("install"), f.command("uninstall", "--purge"))
	}
	if r.Stuck != "" {
		sh.Progressf("Not removed: %s.\n", r.Stuck)
	}
	if len(gone) > 0 {
		sh.Progressf("Deleted the contexts: %s.\n", strings.Join(gone, ", "))
	}
	return nil
}

// NewUpgrade makes the command upgrade.
func NewUpgrade(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "upgrade", Short: "Upgrade a server to the version of this CLI", Args: shell.ArgCount(0, 0),
		Long: `Upgrades the server in an AWS account to the version of this CLI. The command shows the changes first. The new
version serves once the update is complete; if anything fails, the old version keeps serving. Parameters that were set
before are kept, unless you set them again.

With --platform=local it restarts the server on this machine with this binary. The data is kept, and so are the options
of the installation. If the new version does not answer, the previous one is started again.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch o.platform {
			case "aws":
				return runAWS(cmd.Context(), sh, &o.aws, o.name, o.approve.Given(), true)
			case "local":
				o.upgrade = true
				return local(cmd.Context(), sh, o)
			default:
				return CheckPlatform(o.platform)
			}
		},
	}
	o.Register(cmd, sh)
	o.aws.Register(cmd)
	o.approve.Register(cmd)
	cmd.Flags().StringVar(&o.name, "context", "", `name of the context to make or update; by default the installation's own, or "local"`)
	return cmd
}
