package docs

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema/reference"
)

type options struct {
	plugin, kind               string
	builtin, markdown, jsonOut bool
}

// New makes the command docs.
func New(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "docs [PLUGIN]", Short: "Describe the plugins: settings, outputs and an example", Args: shell.ArgCount(0, 1),
		Long: `Lists the plugins of this binary, or describes one: for each of its components the settings in waypoint.hcl, which of
them are required, the defaults, the outputs for later stages, and whether this version can run it. It needs no server.`,
		Example: `  waypoint docs
  waypoint docs docker
  waypoint docs kubernetes -type=releaser
  waypoint docs -builtin -markdown > plugins.md
  waypoint docs aws-ecs -json | jq '.components[].settings'`,
		ValidArgsFunction: completePlugins(sh),
		RunE:              func(_ *cobra.Command, args []string) error { return run(sh, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.plugin, "plugin", "", "describe this plugin; the same as the argument")
	f.StringVar(&o.kind, "type", "", "only components of this type: "+kindWords(", "))
	f.BoolVar(&o.builtin, "builtin", false, "describe all plugins, instead of listing them")
	f.BoolVar(&o.markdown, "markdown", false, "print Markdown")
	f.BoolVar(&o.jsonOut, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("markdown", "json")
	for flag, complete := range map[string]cobra.CompletionFunc{"plugin": completePlugins(sh), "type": completeKinds} {
		_ = cmd.RegisterFlagCompletionFunc(flag, complete) // fails only for a flag that does not exist
	}
	return cmd
}

func run(sh Host, o *options, args []string) error {
	name := o.plugin
	if len(args) == 1 {
		if name != "" && name != args[0] {
			return problem.New("USAGE", "two different plugins were given: %q and %q", args[0], name).WithHint("Give one, as the argument or with -plugin.")
		}
		name = args[0]
	}
	kind, err := docsKind(o.kind)
	if err != nil {
		return err
	}
	if name != "" {
		return describePlugin(sh, o, name, kind)
	}
	var all []reference.Plugin
	for _, d := range sh.Deps().Catalog().Definitions() {
		if p := reference.Of(d, kind); len(p.Components) > 0 {
			all = append(all, p)
		}
	}
	switch {
	case o.jsonOut:
		return sh.PrintJSON(all)
	case o.builtin:
		for i, p := range all {
			if i > 0 {
				sh.Printf("\n")
			}
			sh.Printf("%s", rendered(sh, o, p))
		}
	case o.markdown:
		sh.Printf("%s", reference.Index(all))
	default:
		listPlugins(sh, all)
		sh.Progressf("\n`waypoint docs NAME` describes a plugin.\n")
	}
	return nil
}

func describePlugin(sh Host, o *options, name string, kind schema.Kind) error {
	plugins := sh.Deps().Catalog()
	d, ok := plugins.Get(name)
	if !ok {
		hint := "`waypoint docs` lists the plugins."
		if near := config.Nearest(name, plugins.Names()); near != "" {
			hint = fmt.Sprintf("Did you mean %q? %s", near, hint)
		}
		return problem.New("USAGE", "there is no plugin %q", name).WithHint("%s", hint)
	}
	p := reference.Of(d, kind)
	if len(p.Components) == 0 {
		var kinds []string
		for _, c := range d.Components() {
			kinds = append(kinds, c.Kind.Article())
		}
		return problem.New("USAGE", "the plugin %q is not %s", name, kind.Article()).WithHint("It is %s.", strings.Join(kinds, " and "))
	}
	if o.jsonOut {
		return sh.PrintJSON(p)
	}
	sh.Printf("%s", rendered(sh, o, p))
	return nil
}

func rendered(sh Host, o *options, p reference.Plugin) string {
	if o.markdown {
		return p.Markdown()
	}
	columns := 0
	if sh.Env().OutTTY {
		columns = sh.Env().Columns
	}
	return p.Text(columns, sh.OutSetting().Color())
}

// listPlugins is a table for each kind of component.
func listPlugins(sh Host, all []reference.Plugin) {
	first := true
	for _, kind := range schema.Kinds() {
		table := terminal.Table{Columns: []terminal.Column{{Title: "PLUGIN"}, {Title: "RUNS"}, {Title: "WHAT IT DOES", Prose: true}}}
		for _, p := range all {
			for _, c := range p.Components {
				if c.Kind != kind {
					continue
				}
				runs := "yes"
				if !c.Runs {
					runs = "not yet"
				}
				table.Rows = append(table.Rows, []string{p.Name, runs, c.Summary})
			}
		}
		if len(table.Rows) == 0 {
			continue
		}
		if !first {
			sh.Printf("\n")
		}
		first = false
		sh.Printf("%s (%s)\n", terminal.Paint(string(kind), terminal.Header, sh.OutSetting().Color()), kind.Where())
		sh.Table(table)
	}
}

// docsKind reads -type; "" is all.
func docsKind(text string) (schema.Kind, error) {
	if text == "" {
		return "", nil
	}
	kind, ok := schema.ParseKind(text)
	if !ok {
		return "", problem.New("USAGE", "unknown component type %q", text).WithHint("Use one of: %s.", kindWords(", "))
	}
	return kind, nil
}

func kindWords(sep string) string {
	var words []string
	for _, k := range schema.Kinds() {
		words = append(words, string(k))
	}
	return strings.Join(words, sep)
}

func completePlugins(sh Host) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, completion.NoFiles
		}
		var names []string
		for _, d := range sh.Deps().Catalog().Definitions() {
			names = append(names, d.Name+"\t"+d.Summary)
		}
		return names, completion.NoFiles
	}
}

func completeKinds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var kinds []string
	for _, k := range schema.Kinds() {
		kinds = append(kinds, string(k)+"\tstands "+k.Where())
	}
	return kinds, completion.NoFiles
}
