// Package help words the help of commands: for the terminal that it is shown on, with the flags grouped and the words that
// a person writes, and the topics that are about no single command. The man pages are made of the same command tree.
//
// It imports nothing but internal/terminal: what commands are and say is in the tree.
package help

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// UnknownColumns is how wide help is where the width is not known.
const UnknownColumns = 80

// Text is a command's help for a terminal of so many columns; 0: not known.
func Text(cmd *cobra.Command, columns int) string {
	if columns <= 0 {
		columns = UnknownColumns
	}
	columns = max(20, terminal.ProseColumns(columns))
	p := &page{columns: columns}
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	p.prose(about)
	p.section("Usage:")
	if cmd.Runnable() {
		p.line("  " + cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		p.line("  " + cmd.CommandPath() + " COMMAND")
	}
	if len(cmd.Aliases) > 0 {
		p.section("Aliases:")
		p.line("  " + strings.Join(append([]string{cmd.Name()}, cmd.Aliases...), ", "))
	}
	if cmd.HasExample() {
		p.section("Examples:")
		p.line(strings.Split(strings.Trim(cmd.Example, "\n"), "\n")...)
	}
	p.commands(cmd)
	for _, g := range groups(cmd) {
		if len(g.flags) > 0 {
			p.section(g.title)
			p.line(layout(entries(g.flags), columns)...)
		}
	}
	switch {
	case !cmd.HasParent():
		p.line("")
		p.prose("Add --help to a command for more about it. `waypoint help topics` is about environment variables, exit codes and files.")
	case cmd.HasAvailableSubCommands():
		p.line("")
		p.prose("Add --help to a command for more about it.")
	}
	return p.b.String()
}

// page is help that is being written.
type page struct {
	columns int
	b       strings.Builder
}

func (p *page) line(lines ...string) {
	for _, l := range lines {
		p.b.WriteString(l + "\n")
	}
}

func (p *page) section(title string) { p.line("", title) }

// prose wraps paragraphs. Lines of a paragraph are joined; indented ones, and items of a list, stay as they are.
func (p *page) prose(text string) { p.line(Prose(text, p.columns)...) }

// Prose sets a text of paragraphs for so many columns.
func Prose(text string, columns int) (lines []string) {
	paragraph := ""
	end := func() {
		if paragraph != "" {
			hang := 0
			if strings.HasPrefix(paragraph, "- ") {
				hang = 2
			}
			lines = append(lines, terminal.Wrap(paragraph, columns, hang)...)
			paragraph = ""
		}
	}
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		switch {
		case strings.TrimSpace(line) == "":
			end()
			lines = append(lines, "")
		case strings.HasPrefix(line, "- ") && paragraph != "":
			end()
			paragraph = line
		case strings.HasPrefix(line, " ") && strings.HasPrefix(paragraph, "- "):
			paragraph += " " + strings.TrimSpace(line)
		case strings.HasPrefix(line, " "):
			end()
			lines = append(lines, line)
		case paragraph != "":
			paragraph += " " + strings.TrimSpace(line)
		default:
			paragraph = line
		}
	}
	end()
	return lines
}

// commands lists the commands below one, in their groups.
func (p *page) commands(cmd *cobra.Command) {
	subs := slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool { return !c.IsAvailableCommand() && c.Name() != "help" || c.Hidden })
	if len(subs) == 0 {
		return
	}
	list := func(title, group string) {
		var rows []entry
		for _, c := range subs {
			if c.GroupID == group {
				rows = append(rows, entry{c.Name(), c.Short})
			}
		}
		if len(rows) > 0 {
			p.section(title)
			p.line(layout(rows, p.columns)...)
		}
	}
	for _, g := range cmd.Groups() {
		list(g.Title, g.ID)
	}
	title := "Commands:"
	if len(cmd.Groups()) > 0 {
		title = "Others:"
	}
	list(title, "")
}

// targetless are commands, with those below them, that are about no project, app or workspace.
var targetless = []string{
	"completion", "context", "docs", "doctor", "fmt", "help", "install", "job cancel", "job get-stream", "job inspect", "login", "project list",
	"runner", "server", "token", "uninstall", "upgrade", "version",
}

// serverless are those that ask no server, and so cost nothing.
var serverless = []string{
	"completion", "context clear", "context create", "context delete", "context inspect", "context list", "context rename", "context set",
	"context use", "docs", "fmt", "help", "plan", "server engines", "server run", "validate", "version",
}

// Means reports whether a flag that every command has changes something for this one.
func Means(cmd *cobra.Command, flag string) bool {
	path := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()), " ")
	below := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return path == p || strings.HasPrefix(path, p+" ") })
	}
	switch flag {
	case "project", "app", "workspace":
		return !below(targetless) || path == "context set" && flag == "workspace"
	case "cost":
		return !below(serverless)
	}
	return true
}
