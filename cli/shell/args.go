package shell

import (
	"strings"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waypoint-serverless/waypoint/cli/problem"
)

// RewriteArgs turns Waypoint's single-dash long flags (-workspace=x, -plain, -app x) into the double-dash form
// that cobra reads. It follows the command path to know each command's flags; values and whatever follows "--"
// stay as they are. A single dash before something that is almost a long flag becomes a double dash too, so
// that -worksapce=x is an unknown flag and not the workspace "orksapce=x".
func RewriteArgs(root *cobra.Command, args []string) []string {
	out := make([]string, 0, len(args))
	cmd := root
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case !strings.HasPrefix(arg, "-") || arg == "-":
			if next := Child(cmd, arg); next != nil {
				cmd = next
			}
			out = append(out, arg)
		default:
			arg = doubleDash(cmd, arg)
			out = append(out, arg)
			if takesNext(cmd, arg) && i+1 < len(args) {
				i++
				out = append(out, args[i])
			}
		}
	}
	return out
}

// Child returns the subcommand of that name or alias; nil if there is none.
func Child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}

// LookupFlag finds a long flag of the command, inherited ones included.
func LookupFlag(cmd *cobra.Command, name string) *pflag.Flag {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	if f := cmd.PersistentFlags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}

func lookupShort(cmd *cobra.Command, letter string) *pflag.Flag {
	if f := cmd.Flags().ShorthandLookup(letter); f != nil {
		return f
	}
	if f := cmd.PersistentFlags().ShorthandLookup(letter); f != nil {
		return f
	}
	return cmd.InheritedFlags().ShorthandLookup(letter)
}

func doubleDash(cmd *cobra.Command, arg string) string {
	if strings.HasPrefix(arg, "--") {
		return arg
	}
	name, _, _ := strings.Cut(arg[1:], "=")
	if len(name) < 2 {
		return arg
	}
	if name == "help" || LookupFlag(cmd, name) != nil {
		return "-" + arg
	}
	if _, near := nearestFlag(cmd, name); near {
		return "-" + arg
	}
	return arg
}

// takesNext says whether the argument after a flag is its value.
func takesNext(cmd *cobra.Command, arg string) bool {
	if strings.Contains(arg, "=") {
		return false
	}
	var f *pflag.Flag
	if name, long := strings.CutPrefix(arg, "--"); long {
		f = LookupFlag(cmd, name)
	} else if len(arg) == 2 {
		f = lookupShort(cmd, arg[1:])
	}
	return f != nil && f.NoOptDefVal == ""
}

// nearestFlag finds the flag that somebody may have meant by name.
func nearestFlag(cmd *cobra.Command, name string) (found string, ok bool) {
	best := 3 // at most two letters wrong
	if len(name) < 5 {
		best = 2
	}
	visit := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if d := levenshtein.Distance(name, f.Name, nil); d < best {
			best, found, ok = d, f.Name, true
		}
	}
	cmd.Flags().VisitAll(visit)
	cmd.PersistentFlags().VisitAll(visit)
	cmd.InheritedFlags().VisitAll(visit)
	return found, ok
}

// FlagError rephrases pflag's error and suggests a similar flag.
func FlagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	name, unknown := strings.CutPrefix(text, "unknown flag: --")
	hint := "Run `" + cmd.CommandPath() + " --help` for its flags."
	if unknown {
		if near, ok := nearestFlag(cmd, name); ok {
			hint = "Did you mean --" + near + "? " + hint
		}
	}
	return problem.New("USAGE", "%s", text).WithHint("%s", hint)
}
