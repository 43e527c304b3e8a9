package install

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

type options struct {
	platform, listen, name string
	purge, upgrade         bool
	approve                operation.ApproveFlags
	aws                    awsInstallOptions
}

// NewInstall makes the command install.
func NewInstall(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "install", Short: "Install a server and connect this CLI to it", Args: shell.ArgCount(0, 0),
		Long: `Installs a server, and creates and selects a context for it.

With --platform=local the server runs on this machine, in the background, for your user only: no Docker and no AWS account are
needed. A runner is started beside it.

With --platform=aws it is installed in your AWS account, as one CloudFormation stack: Lambda functions behind API Gateway,
a DynamoDB table and SQS queues. There is no process that runs all the time; --receipt prints the idle cost. The command
shows the changes and asks before it makes them. It uses the credentials and region of the AWS CLI (AWS_PROFILE, AWS_REGION, …).
With AWS_ENDPOINT_URL it installs into LocalStack or another emulator.

Both can be repeated at any time: a repeat completes an interrupted installation and changes nothing else.`,
		Example: `  waypoint install --platform=local
  waypoint install --platform=aws --print-policy  # the permissions it requires
  waypoint install --platform=aws --receipt       # the resources and their cost
  waypoint install --platform=aws --region eu-central-1`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.platform == "aws" {
				return runAWS(cmd.Context(), sh, &o.aws, o.name, o.approve.Given(), false)
			}
			return local(cmd.Context(), sh, o)
		},
	}
	o.Register(cmd, sh)
	o.aws.Register(cmd)
	o.approve.Register(cmd)
	cmd.Flags().StringVar(&o.listen, "listen", "", `local: address for browsers, containers and curl, 127.0.0.1:9701 by default; "none": no port`)
	cmd.Flags().StringVar(&o.name, "context", "", `name of the context to make; by default "local", "aws", or "aws-NAME" with --name`)
	cmd.Flags().Bool("accept-tos", false, "not supported")
	_ = cmd.Flags().MarkHidden("accept-tos")
	return cmd
}

func (o *options) Register(cmd *cobra.Command, _ Host) {
	cmd.Flags().StringVar(&o.platform, "platform", "", "where: local (this machine) or aws (your AWS account)")
	_ = cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"local", "aws"}, cobra.ShellCompDirectiveNoFileComp))
}

// CheckPlatform rejects unknown platforms, and explains what became of those of HashiCorp Waypoint's server.
func CheckPlatform(platform string) error {
	switch platform {
	case "local", "aws":
		return nil
	case "":
		return problem.New("USAGE", "-platform is missing").
			WithHint("Add --platform=local for a server on this machine, or --platform=aws for one in your AWS account.")
	case "docker", "kubernetes", "nomad", "ecs":
		return problem.New("NOT_AVAILABLE", "%s is no longer a platform for the server, which is serverless now", platform).
			WithHint("Use --platform=aws or --platform=local. Runners can run anywhere: `waypoint runner agent`.")
	}
	return problem.New("USAGE", "invalid --platform=%s", platform).WithHint("Use local or aws.")
}

// Local installs a server on this machine with its defaults.
func Local(ctx context.Context, sh Host) error {
	return local(ctx, sh, &options{platform: "local"})
}

func local(ctx context.Context, sh Host, o *options) error {
	if err := CheckPlatform(o.platform); err != nil {
		return err
	}
	if o.name == "" {
		o.name = "local"
	}
	if err := contexts.CheckName(o.name); err != nil {
		return err
	}
	dir, err := server.DefaultDir()
	if err != nil {
		return err
	}
	began := sh.Env().Now()
	sign := terminal.Paint("ok", terminal.Success, sh.ErrSetting().Color())
	change := server.Install
	if o.upgrade {
		change = server.Upgrade
	}
	in, err := change(ctx, server.InstallOptions{
		Dir: dir, Listen: o.listen, Executable: sh.Env().Executable,
		Progress: func(done string) { sh.Progressf(" %s %s\n", sign, done) },
	})
	if err != nil {
		return err
	}
	store, err := sh.ContextStore()
	if err != nil {
		return err
	}
	c, err := store.Load(o.name)
	if err != nil && !errors.Is(err, contexts.ErrNotFound) {
		sh.Warnf("cannot read the context %q, creating it again: %s", o.name, err.Error())
	}
	c.Address, c.Token, c.Platform, c.Dir = in.Address, in.Token, "local", dir
	if err := store.Save(o.name, c); err != nil {
		return err
	}
	if err := store.SetDefault(o.name); err != nil {
		return err
	}
	sh.ForgetServer() // what was chosen before is no longer
	sh.Progressf(" %s The context %q is the default\n", sign, o.name)
	at := in.Address
	if in.TCP != "" {
		at = in.TCP
	}
	sh.Progressf("The server is at %s, ready after %s. Its data and logs are in %s.\n", at, terminal.Duration(sh.Env().Now().Sub(began)), dir)
	sh.Progressf("Next: `waypoint up` in a project's directory, or `waypoint init` to create a project.\n")
	return nil
}

// NewUninstall makes the command uninstall.
func NewUninstall(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "uninstall", Short: "Stop and remove the server", Args: shell.ArgCount(0, 0),
		Long: `Removes a server and its contexts. The data is kept, unless --purge is given; a later install uses it again.
Deployed apps keep running.

With --platform=local it stops the server of this machine and its runner; with --purge, the apps that the process plugin
runs on this machine are stopped too.

With --platform=aws it removes the stack and everything that the server made beside it, and verifies that nothing is left. The
table and its encryption key are kept without --purge.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.platform == "aws" {
				return runUninstallAWS(cmd.Context(), sh, &o.aws.AWSFlags, o.purge, o.approve.Given(), o.aws.json)
			}
			return runUninstall(cmd.Context(), sh, o)
		},
	}
	o.Register(cmd, sh)
	o.aws.AWSFlags.Register(cmd)
	cmd.Flags().BoolVar(&o.aws.json, "json", false, "aws: print the result as JSON; never asks")
	cmd.Flags().BoolVar(&o.purge, "purge", false, "delete the data too: projects, records, logs, tokens")
	o.approve.Register(cmd)
	return cmd
}

func runUninstall(ctx context.Context, sh Host, o *options) error {
	if err := CheckPlatform(o.platform); err != nil {
		return err
	}
	dir, err := server.DefaultDir()
	if err != nil {
		return err
	}
	if o.purge {
		if err := sh.MustConfirm("Delete all data of the local server in "+dir+" and stop the apps that run as processes on this machine?", o.approve.Given(), false); err != nil {
			return err
		}
	}
	if err := server.Uninstall(ctx, dir, o.purge); err != nil {
		return err
	}
	var left []string
	var purging error // told at the end: the contexts lead nowhere now, whatever could not be removed
	if o.purge {
		state, err := sh.Env().RunnersDir()
		if err != nil {
			return err
		}
		left, purging = sh.Deps().PurgeMachine(ctx, state)
	}
	gone, err := deleteContexts(sh, func(c contexts.Context) bool { return c.Dir == dir })
	if err != nil {
		return err
	}
	sh.Progressf("Stopped the server and its runner.\n")
	if len(gone) > 0 {
		sh.Progressf("Deleted the contexts: %s.\n", strings.Join(gone, ", "))
	}
	if o.purge {
		sh.Progressf("Deleted the data in %s and stopped the apps that ran as processes on this machine.\n", dir)
	} else {
		sh.Progressf("The data is kept in %s; `waypoint install --platform=local` uses it again.\n", dir)
	}
	for _, what := range left {
		sh.Progressf("Not removed: %s.\n", what)
	}
	if purging != nil {
		return fmt.Errorf("stopping the apps on this machine: %w", purging)
	}
	return nil
}

// deleteContexts deletes the contexts that lead to a server that is gone.
func deleteContexts(sh Host, lead func(contexts.Context) bool) (gone []string, err error) {
	store, err := sh.ContextStore()
	if err != nil {
		return nil, err
	}
	names, err := store.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if c, err := store.Load(name); err != nil || !lead(c) {
			continue
		}
		if err := store.Delete(name); err != nil {
			return gone, err
		}
		gone = append(gone, name)
	}
	if len(gone) == 0 {
		return nil, nil
	}
	return gone, selectTheOnlyContext(sh, store)
}

// selectTheOnlyContext makes the one context that is left the default, if there is no default any more.
func selectTheOnlyContext(sh Host, store contexts.Store) error {
	left, err := store.List()
	if err != nil || len(left) != 1 {
		return err
	}
	if now, err := store.Default(); err != nil || now != "" {
		return err
	}
	if err := store.SetDefault(left[0]); err != nil {
		return err
	}
	sh.Progressf("The context %q is now the default.\n", left[0])
	return nil
}
