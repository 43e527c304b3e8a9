package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/plugin/schema"
	"github.com/waypoint-serverless/waypoint/runner/plugin/schema/reference"
)

type docsOptions struct {
	plugin, kind               string
	builtin, markdown, jsonOut bool
}

func newCmdDocs(sh *shell) *cobra.Command {
	o := &docsOptions{}
	cmd := &cobra.Command{
		Use: "docs [PLUGIN]", Short: "Describe the plugins: their settings, what they give, an example", Args: argCount(0, 1),
		Long: `Lists the plugins of this binary, or describes one: for each of its components what may stand in waypoint.hcl, which of
that is required, the defaults, what later stages see, and whether this version can run it. It needs no server.`,
		Example: `  waypoint docs
  waypoint docs docker
  waypoint docs kubernetes -type=releaser
  waypoint docs -builtin -markdown > plugins.md
  waypoint docs aws-ecs -json | jq -r '.components[].settings[] | select(.required).name'`,
		ValidArgsFunction: completePlugins(sh),
		RunE:              func(_ *cobra.Command, args []string) error { return runDocs(sh, o, args) },
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

func runDocs(sh *shell, o *docsOptions, args []string) error {
	name := o.plugin
	if len(args) == 1 {
		if name != "" && name != args[0] {
			return problem("USAGE", "two plugins are named: %q and %q", args[0], name).withHint("Name one, as the argument or with -plugin.")
		}
		name = args[0]
	}
	kind, err := docsKind(o.kind)
	if err != nil {
		return err
	}
	if name != "" {
		return sh.describePlugin(o, name, kind)
	}
	var all []reference.Plugin
	for _, d := range sh.deps.Catalog().Definitions() {
		if p := reference.Of(d, kind); len(p.Components) > 0 {
			all = append(all, p)
		}
	}
	switch {
	case o.jsonOut:
		return sh.printJSON(all)
	case o.builtin:
		for i, p := range all {
			if i > 0 {
				sh.printf("\n")
			}
			sh.printf("%s", sh.rendered(o, p))
		}
	case o.markdown:
		sh.printf("%s", reference.Index(all))
	default:
		sh.listPlugins(all)
		sh.sayf("\n`waypoint docs NAME` describes a plugin.\n")
	}
	return nil
}

func (sh *shell) describePlugin(o *docsOptions, name string, kind schema.Kind) error {
	catalog := sh.deps.Catalog()
	d, ok := catalog.Get(name)
	if !ok {
		hint := "`waypoint docs` lists what there is."
		if near := config.Nearest(name, catalog.Names()); near != "" {
			hint = fmt.Sprintf("Did you mean %q? %s", near, hint)
		}
		return problem("USAGE", "there is no plugin %q", name).withHint("%s", hint)
	}
	p := reference.Of(d, kind)
	if len(p.Components) == 0 {
		var kinds []string
		for _, c := range d.Components() {
			kinds = append(kinds, c.Kind.Article())
		}
		return problem("USAGE", "the plugin %q is not %s", name, kind.Article()).withHint("It is %s.", strings.Join(kinds, " and "))
	}
	if o.jsonOut {
		return sh.printJSON(p)
	}
	sh.printf("%s", sh.rendered(o, p))
	return nil
}

func (sh *shell) rendered(o *docsOptions, p reference.Plugin) string {
	if o.markdown {
		return p.Markdown()
	}
	columns := 0
	if sh.env.OutTTY {
		columns = sh.env.Columns
	}
	return p.Text(columns, sh.outSetting().Color())
}

// listPlugins is a table for each kind of component.
func (sh *shell) listPlugins(all []reference.Plugin) {
	first := true
	for _, kind := range schema.Kinds() {
		table := terminal.Table{Columns: []terminal.Column{{Title: "PLUGIN"}, {Title: "RUNS"}, {Title: "WHAT IT DOES"}}}
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
			sh.printf("\n")
		}
		first = false
		sh.printf("%s (%s)\n", terminal.Paint(string(kind), terminal.Header, sh.outSetting().Color()), kind.Where())
		sh.table(table)
	}
}

// docsKind reads -type; "" is all.
func docsKind(text string) (schema.Kind, error) {
	if text == "" {
		return "", nil
	}
	kind, ok := schema.ParseKind(text)
	if !ok {
		return "", problem("USAGE", "there is no type of component %q", text).withHint("There is: %s.", kindWords(", "))
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

func completePlugins(sh *shell) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, noFiles
		}
		var names []string
		for _, d := range sh.deps.Catalog().Definitions() {
			names = append(names, d.Name+"\t"+d.Summary)
		}
		return names, noFiles
	}
}

func completeKinds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var kinds []string
	for _, k := range schema.Kinds() {
		kinds = append(kinds, string(k)+"\tstands "+k.Where())
	}
	return kinds, noFiles
}
