package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/help"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

// addHelp gives the tree its help: the texts, the topics, and an example for each command.
func addHelp(sh *shell.Shell, root *cobra.Command) {
	columns := func() int {
		if !sh.Env().OutTTY {
			return 0
		}
		return sh.Env().Columns
	}
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { sh.Write(help.Text(cmd, columns())) })
	root.SetHelpCommand(newHelp(sh, columns))
	for path, example := range examples() {
		cmd, _, err := root.Find(strings.Fields(path))
		if err == nil && cmd.CommandPath() == "waypoint "+path && cmd.Example == "" {
			cmd.Example = example
		}
	}
}

// newHelp makes the command help.
func newHelp(sh *shell.Shell, columns func() int) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND | TOPIC]", Short: "Show the help of a command, or of a topic",
		Long:    "Show the help of a command, or of a topic: what concerns many commands. `waypoint help topics` lists the topics.",
		Example: "  waypoint help up\n  waypoint help topics\n  waypoint help environment",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeHelp(cmd.Root(), args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runHelp(sh, cmd.Root(), args, columns()) },
	}
}

func runHelp(sh *shell.Shell, root *cobra.Command, args []string, columns int) error {
	if len(args) == 1 {
		if args[0] == "topics" {
			for _, t := range help.Topics() {
				sh.Printf("%-12s  %s\n", t.Name, t.Short)
			}
			sh.Progressf("`waypoint help exit-codes` shows that one, and so on.\n")
			return nil
		}
		for _, t := range help.Topics() {
			if t.Name == args[0] {
				sh.Write(strings.Join(help.Prose(t.Text, max(20, min(columnsOr(columns), 100))), "\n") + "\n")
				return nil
			}
		}
	}
	cmd := root
	for i, name := range args {
		next := shell.Child(cmd, name)
		switch {
		case next == nil:
			return noHelp(cmd, args[i:])
		case next.Hidden: // it says itself what there is instead
			return next.RunE(next, nil)
		}
		cmd = next
	}
	cmd.InitDefaultHelpFlag()
	return cmd.Help()
}

func columnsOr(columns int) int {
	if columns <= 0 {
		return help.UnknownColumns
	}
	return columns
}

// noHelp is the error for a word that is neither a command nor a topic.
func noHelp(cmd *cobra.Command, rest []string) error {
	if cmd.HasParent() && !cmd.HasAvailableSubCommands() {
		return problem.New("USAGE", "`%s` has no command %q", cmd.CommandPath(), rest[0]).WithHint("Run `%s --help`.", cmd.CommandPath())
	}
	err := shell.UnknownCommand(cmd, rest)
	if cmd.HasParent() {
		return err
	}
	return problem.New("USAGE", "there is no command or help topic %q", rest[0]).
		WithHint("Run `waypoint --help` for the commands, `waypoint help topics` for the topics.")
}

// completeHelp lists what may follow args.
func completeHelp(root *cobra.Command, args []string) []string {
	cmd := root
	for _, name := range args {
		if cmd = shell.Child(cmd, name); cmd == nil {
			return nil
		}
	}
	var out []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			out = append(out, c.Name())
		}
	}
	if cmd == root {
		out = append(out, "topics")
		for _, t := range help.Topics() {
			out = append(out, t.Name)
		}
	}
	slices.Sort(out)
	return out
}
