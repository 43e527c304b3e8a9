package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/localstack"
)

type installOptions struct {
	platform, listen, name string
	purge, upgrade         bool
	approve                approveFlags
	aws                    awsInstallOptions
}

func newCmdInstall(sh *shell) *cobra.Command {
	o := &installOptions{}
	cmd := &cobra.Command{
		Use: "install", Short: "Install a server and a runner, and connect this CLI to it", Args: argCount(0, 0),
		Long: `Installs a server, and makes and selects a context that leads to it.

With --platform=local it runs on this machine, in the background, for you alone: no Docker and no AWS account are
needed. A runner is started beside it.

With --platform=aws it goes into your AWS account, as one CloudFormation stack: Lambda functions behind API Gateway,
a DynamoDB table, SQS queues. Nothing runs while nobody asks, and the receipt says what that costs. What will be made
is shown and asked for first. Credentials and region are those of the AWS CLI: AWS_PROFILE, AWS_REGION and the rest.
With AWS_ENDPOINT_URL it goes into LocalStack or another emulator.

Either can be repeated at any time: it completes what was interrupted, and leaves alone what is in place.`,
		Example: `  waypoint install --platform=local
  waypoint install --platform=aws --print-policy     # what the installing identity must be allowed
  waypoint install --platform=aws --receipt          # what would be there, and its price
  waypoint install --platform=aws --region eu-central-1`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.platform == "aws" {
				return runInstallAWS(cmd.Context(), sh, &o.aws, o.name, o.approve.given(), false)
			}
			return runInstall(cmd.Context(), sh, o)
		},
	}
	o.register(cmd, sh)
	o.aws.register(cmd)
	o.approve.register(cmd)
	cmd.Flags().StringVar(&o.listen, "listen", "", `local: address for browsers, containers and curl, 127.0.0.1:9701 by default; "none": no port`)
	cmd.Flags().StringVar(&o.name, "context", "", `name of the context to make; by default "local", "aws", or "aws-NAME" with --name`)
	cmd.Flags().Bool("accept-tos", false, "has no meaning here")
	_ = cmd.Flags().MarkHidden("accept-tos")
	return cmd
}

func (o *installOptions) register(cmd *cobra.Command, _ *shell) {
	cmd.Flags().StringVar(&o.platform, "platform", "", "where: local (this machine) or aws (your AWS account)")
	_ = cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"local", "aws"}, cobra.ShellCompDirectiveNoFileComp))
}

// checkPlatform says what became of the platforms that Waypoint's server could be installed on.
func checkPlatform(platform string) error {
	switch platform {
	case "local", "aws":
		return nil
	case "":
		return problem("USAGE", "the platform is missing").
			withHint("Add --platform=local for a server on this machine, or --platform=aws for one in your AWS account.")
	case "docker", "kubernetes", "nomad", "ecs":
		return problem("NOT_AVAILABLE", "the server is not installed on %s any more: it is serverless", platform).
			withHint("Use --platform=aws or --platform=local. Runners can run anywhere: `waypoint runner agent`.")
	}
	return problem("USAGE", "--platform=%s: unknown", platform).withHint("It can be local or aws.")
}

func runInstall(ctx context.Context, sh *shell, o *installOptions) error {
	if err := checkPlatform(o.platform); err != nil {
		return err
	}
	if o.name == "" {
		o.name = "local"
	}
	if err := contexts.CheckName(o.name); err != nil {
		return err
	}
	dir, err := localstack.DefaultDir()
	if err != nil {
		return err
	}
	began := sh.env.Now()
	sign := terminal.Paint("ok", terminal.Success, sh.errSetting().Color())
	change := localstack.Install
	if o.upgrade {
		change = localstack.Upgrade
	}
	in, err := change(ctx, localstack.InstallOptions{
		Dir: dir, Listen: o.listen, Executable: sh.env.Executable,
		Progress: func(done string) { sh.sayf(" %s %s\n", sign, done) },
	})
	if err != nil {
		return err
	}
	store, err := sh.contextStore()
	if err != nil {
		return err
	}
	c, err := store.Load(o.name)
	if err != nil && !errors.Is(err, contexts.ErrNotFound) {
		sh.warnf("the context %q could not be read and is written anew: %s", o.name, err.Error())
	}
	c.Address, c.Token, c.Platform, c.Dir = in.Address, in.Token, "local", dir
	if err := store.Save(o.name, c); err != nil {
		return err
	}
	if err := store.SetDefault(o.name); err != nil {
		return err
	}
	sh.forgetServer() // what was chosen before is no longer
	sh.sayf(" %s The context %q is the default\n", sign, o.name)
	at := in.Address
	if in.TCP != "" {
		at = in.TCP
	}
	sh.sayf("The server is at %s, ready after %s. Its data and logs are in %s.\n", at, terminal.Duration(sh.env.Now().Sub(began)), dir)
	sh.sayf("Next: `waypoint up` in a project's directory, `waypoint init` to begin one.\n")
	return nil
}

func newCmdUninstall(sh *shell) *cobra.Command {
	o := &installOptions{}
	cmd := &cobra.Command{
		Use: "uninstall", Short: "Stop and remove the server", Args: argCount(0, 0),
		Long: `Removes a server and the contexts that lead to it. The data stays, unless --purge is given; a later install uses it.
What was deployed goes on running.

With --platform=local it stops the server of this machine and its runner; with --purge, the apps that the process plugin
runs on this machine end too.

With --platform=aws it removes the stack and all that the server made beside it, and looks whether anything is left. The
table and the key that opens it are kept without --purge.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.platform == "aws" {
				return runUninstallAWS(cmd.Context(), sh, &o.aws.awsFlags, o.purge, o.approve.given(), o.aws.json)
			}
			return runUninstall(cmd.Context(), sh, o)
		},
	}
	o.register(cmd, sh)
	o.aws.awsFlags.register(cmd)
	cmd.Flags().BoolVar(&o.aws.json, "json", false, "aws: print the result as JSON; never asks")
	cmd.Flags().BoolVar(&o.purge, "purge", false, "delete the data too: projects, records, logs, tokens")
	o.approve.register(cmd)
	return cmd
}

func runUninstall(ctx context.Context, sh *shell, o *installOptions) error {
	if err := checkPlatform(o.platform); err != nil {
		return err
	}
	dir, err := localstack.DefaultDir()
	if err != nil {
		return err
	}
	if o.purge {
		if err := sh.mustConfirm("Delete all data of the local server in "+dir+" and end the apps that run as processes of this machine?", o.approve.given(), false); err != nil {
			return err
		}
	}
	if err := localstack.Uninstall(ctx, dir, o.purge); err != nil {
		return err
	}
	var left []string
	var purging error // told at the end: the contexts lead nowhere now, whatever could not be removed
	if o.purge {
		state, err := sh.env.stateDir()
		if err != nil {
			return err
		}
		left, purging = sh.deps.PurgeMachine(ctx, filepath.Join(state, "runner"))
	}
	gone, err := sh.deleteContexts(func(c contexts.Context) bool { return c.Dir == dir })
	if err != nil {
		return err
	}
	sh.sayf("Stopped the server and its runner.\n")
	if len(gone) > 0 {
		sh.sayf("Deleted the contexts: %s.\n", strings.Join(gone, ", "))
	}
	if o.purge {
		sh.sayf("Deleted the data in %s and ended the apps that ran as processes of this machine.\n", dir)
	} else {
		sh.sayf("The data is kept in %s; `waypoint install --platform=local` uses it again.\n", dir)
	}
	for _, what := range left {
		sh.sayf("Left: %s.\n", what)
	}
	if purging != nil {
		return fmt.Errorf("ending what runs on this machine: %w", purging)
	}
	return nil
}

// deleteContexts deletes the contexts that lead to a server that is gone.
func (sh *shell) deleteContexts(lead func(contexts.Context) bool) (gone []string, err error) {
	store, err := sh.contextStore()
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
	return gone, sh.selectTheOnlyContext(store)
}

// selectTheOnlyContext makes the one context that is left the default, if there is no default any more.
func (sh *shell) selectTheOnlyContext(store contexts.Store) error {
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
	sh.sayf("The context %q is now the default.\n", left[0])
	return nil
}
