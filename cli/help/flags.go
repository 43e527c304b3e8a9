package help

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// placeholders are what a person writes after a flag of that name; without one it follows from the flag's type.
var placeholders = map[string]string{
	"label": "<k=v>", "remote-source": "<k=v>", "var": "<name=value>", "var-file": "<file>", "env-file": "<file>", "data": "<file>",
	"project": "<name>", "app": "<name>", "workspace": "<name>", "name": "<name>", "context": "<name>", "profile": "<name>", "plugin": "<name>",
	"state": "<state>", "physical-state": "<state>", "deployment": "<number|id>", "deployment-seq": "<number|id>", "id": "<id>",
	"dir": "<dir>", "state-dir": "<dir>", "listen": "<address>", "server-addr": "<address>", "dynamodb": "<address>", "sqs": "<address>",
	"token": "<token>", "server-auth-token": "<token>", "region": "<region>", "parameter": "<name=value>", "tag": "<key=value>",
	"platform": "<local|aws>", "server-platform": "<local|aws>", "arch": "<arm64|amd64>", "scope": "<scope>", "label-scope": "<selector>",
	"kind": "<kind>", "role": "<role>", "type": "<type>", "grep": "<regexp>", "since": "<duration|time>", "bootstrap": "<file>",
}

// Placeholder is what stands for a flag's value; "" for one that takes none.
func Placeholder(f *pflag.Flag) string {
	if f.NoOptDefVal != "" {
		return ""
	}
	if p, ok := placeholders[f.Name]; ok {
		return p
	}
	switch f.Value.Type() {
	case "int", "int32", "int64", "uint", "uint32":
		return "<n>"
	case "duration":
		return "<duration>"
	}
	return "<value>"
}

// flagGroup is flags under a title.
type flagGroup struct {
	title string
	flags []*pflag.Flag
}

// Titles of the groups, in their order.
const (
	ownFlags    = "Flags:"
	inputFlags  = "Input, and where the job runs:"
	awsFlags    = "With --platform=aws:"
	localFlags  = "With --platform=local:"
	globalFlags = "Global flags:"
)

// inputs are the flags that all operations share.
var inputs = map[string]bool{"label": true, "var": true, "var-file": true, "local": true, "remote-source": true}

// groups sorts a command's flags: its own first, those that every command has at the end, where they mean something.
func groups(cmd *cobra.Command) []flagGroup {
	out := []flagGroup{{title: ownFlags}, {title: inputFlags}, {title: awsFlags}, {title: localFlags}, {title: globalFlags}}
	add := func(i int, f *pflag.Flag) { out[i].flags = append(out[i].flags, f) }
	operation := cmd.LocalFlags().Lookup("remote-source") != nil
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden || strings.HasPrefix(f.Usage, "not supported"):
		case cmd.Root().PersistentFlags().Lookup(f.Name) == f:
		case operation && inputs[f.Name]:
			add(1, f)
		case strings.HasPrefix(f.Usage, "aws: "):
			add(2, f)
		case strings.HasPrefix(f.Usage, "local: "):
			add(3, f)
		default:
			add(0, f)
		}
	})
	cmd.Root().PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && Means(cmd, f.Name) {
			add(4, f)
		}
	})
	return out
}

// entry is a flag, or several that are the same, as help shows them.
type entry struct{ left, right string }

// entries words the flags of a group. Flags of the same meaning are one entry.
func entries(flags []*pflag.Flag) []entry {
	var out []entry
	for i, f := range flags {
		left := "    "
		if f.Shorthand != "" {
			left = "-" + f.Shorthand + ", "
		}
		left += "--" + f.Name
		if i > 0 && flags[i-1].Usage == f.Usage && flags[i-1].Value.Type() == f.Value.Type() {
			out[len(out)-1].left += ", " + strings.TrimSpace(left)
			continue
		}
		if p := Placeholder(f); p != "" {
			left += " " + p
		}
		right := strings.TrimPrefix(strings.TrimPrefix(f.Usage, "aws: "), "local: ")
		if d := shownDefault(f); d != "" {
			right += " (default " + d + ")"
		}
		out = append(out, entry{left, right})
	}
	return out
}

// shownDefault is a default that says something; "" is none.
func shownDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "[]", "0", "-1":
		return ""
	}
	if f.Value.Type() == "duration" {
		return strings.TrimSuffix(strings.TrimSuffix(f.DefValue, "0s"), "0m")
	}
	return f.DefValue
}

// mostLeft is how wide the flags' column is at most; a text beside a longer one begins on the next line.
const mostLeft = 30

// layout sets entries in two columns for a terminal of so many columns.
func layout(list []entry, columns int) (lines []string) {
	w := 0
	for _, e := range list {
		if n := terminal.Width(e.left); n <= mostLeft {
			w = max(w, n)
		}
	}
	for _, e := range list {
		left := "  " + e.left
		text := terminal.Wrap(e.right, max(20, columns-w-5), 0)
		if terminal.Width(e.left) > w {
			lines = append(lines, left)
			left = ""
		}
		for _, t := range text {
			lines = append(lines, strings.TrimRight(left+strings.Repeat(" ", max(0, w+5-terminal.Width(left)))+t, " "))
			left = ""
		}
	}
	return lines
}
