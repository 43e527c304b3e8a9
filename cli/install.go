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
	purge                  bool
	approve                approveFlags
}

func newCmdInstall(sh *shell) *cobra.Command {
	o := &installOptions{}
	cmd := &cobra.Command{
		Use: "install", Short: "Install a server and a runner, and connect this CLI to it", Args: argCount(0, 0),
		Long: `Installs a server. With --platform=local it runs on this machine, in the background, for you alone: no
Docker and no AWS account are needed. A runner is started beside it, and a context is made and selected.
It can be repeated at any time; what runs already is left alone.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runInstall(cmd.Context(), sh, o) },
	}
	o.register(cmd, sh)
	cmd.Flags().StringVar(&o.listen, "listen", "", `address for browsers, containers and curl, 127.0.0.1:9701 by default; "none": no port`)
	cmd.Flags().StringVar(&o.name, "context", "local", "name of the context to make")
	cmd.Flags().Bool("accept-tos", false, "has no meaning here")
	_ = cmd.Flags().MarkHidden("accept-tos")
	return cmd
}

func (o *installOptions) register(cmd *cobra.Command, _ *shell) {
	cmd.Flags().StringVar(&o.platform, "platform", "", "where: local")
	_ = cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"local"}, cobra.ShellCompDirectiveNoFileComp))
}

// checkPlatform says what became of the platforms that Waypoint's server could be installed on.
func checkPlatform(platform string) error {
	switch platform {
	case "local":
		return nil
	case "":
		return problem("USAGE", "the platform is missing").withHint("Add --platform=local for a server on this machine.")
	case "aws":
		return problem("NOT_AVAILABLE", "--platform=aws is not available in this version").
			withHint("The server on AWS Lambda, API Gateway, DynamoDB and SQS comes with a later version. Use --platform=local meanwhile.")
	case "docker", "kubernetes", "nomad", "ecs":
		return problem("NOT_AVAILABLE", "the server is not installed on %s any more: it is serverless", platform).
			withHint("Use --platform=local. Runners can run anywhere: `waypoint runner agent`.")
	}
	return problem("USAGE", "--platform=%s: unknown", platform).withHint("It can be local.")
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
	in, err := localstack.Install(ctx, localstack.InstallOptions{
		Dir: dir, Listen: o.listen, Executable: sh.env.Executable,
		Progress: func(done string) { sh.sayf(" %s %s\n", sign, done) },
	})
	if err != nil {
		return fmt.Errorf("installing the local server: %w", err)
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
	sh.server = nil // what was chosen before is no longer
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
		Long: "Stops the local server and its runner and deletes the contexts that lead to it. The data stays, unless --purge is given.\nWhat was deployed goes on running without --purge; with it, the apps that the process plugin runs on this machine end too.",
		RunE: func(cmd *cobra.Command, _ []string) error { return runUninstall(cmd.Context(), sh, o) },
	}
	o.register(cmd, sh)
	cmd.Flags().BoolVar(&o.purge, "purge", false, "delete the data too (projects, records, logs, tokens) and end the apps that run as processes of this machine")
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
		return fmt.Errorf("uninstalling the local server: %w", err)
	}
	if o.purge {
		state, err := sh.env.stateDir()
		if err != nil {
			return err
		}
		if err := sh.deps.PurgeMachine(ctx, filepath.Join(state, "runner")); err != nil {
			return err
		}
	}
	gone, err := sh.deleteContextsOf(dir)
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
	return nil
}

// deleteContextsOf deletes the contexts that lead to the local server in dir.
func (sh *shell) deleteContextsOf(dir string) (gone []string, err error) {
	store, err := sh.contextStore()
	if err != nil {
		return nil, err
	}
	names, err := store.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if c, err := store.Load(name); err != nil || c.Dir != dir {
			continue
		}
		if err := store.Delete(name); err != nil {
			return gone, err
		}
		gone = append(gone, name)
	}
	return gone, nil
}
