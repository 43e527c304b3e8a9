package reference_test

import (
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/plugins/builtin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema/reference"
)

func TestTextFitsTheTerminal(t *testing.T) {
	for _, d := range builtin.Catalog(process.Options{}).Definitions() {
		for _, columns := range []int{40, 80, 100} {
			text := reference.Of(d, "").Text(columns, false)
			text, _, _ = strings.Cut(text, "\nExample\n")
			for line := range strings.Lines(text) {
				line = strings.TrimRight(line, "\n")
				if terminal.Width(line) > columns && len(strings.Fields(line)) > 4 {
					t.Errorf("%s, %d columns: a line of %d: %s", d.Name, columns, terminal.Width(line), line)
				}
			}
		}
	}
}

type config struct {
	Path  string   `hcl:"path"`
	Old   string   `hcl:"old,optional" deprecated:"path"`
	Rules []*rule  `hcl:"rule,block"`
	Names []string `hcl:"names,optional" default:"[\"a|b\"]"`
	On    bool     `hcl:"on,optional"`
}

type rule struct {
	Kind string `hcl:"kind,label"`
	Size int    `hcl:"size,optional" default:"that of *"`
}

type output struct {
	URL string `hcl:"url"`
}

func definition() catalog.Definition {
	return catalog.Definition{
		Name: "web", Summary: "Do <this> | that.", Example: "project = \"p\"\n",
		Schemas: []schema.Component{
			{Kind: schema.Platform, Summary: "Deploys.", Config: schema.New[config], Output: schema.New[output]},
			{Kind: schema.ConfigSourcer, Summary: "Reads.", Open: true},
		},
	}
}

func TestMarkdownOfAPlugin(t *testing.T) {
	got := reference.Of(definition(), "").Markdown()
	for _, want := range []string{
		"# web\n\nDo &lt;this> \\| that.\n",
		"| [platform](#platform) | in deploy | not yet |\n",
		"Deploys. Written `use \"web\" { … }` in deploy.\n",
		"> This version cannot run it yet",
		"| `path` | string | **required** |  |\n",
		"| `old` | string |  | Deprecated: write `path`. |\n",
		"| `rule \"KIND\" { … }` | block, any number |  |  |\n",
		"| `names` | list of string | `[\"a\\|b\"]` |  |\n",
		"| `on` | bool | `false` |  |\n",
		"#### `rule { … }`\n",
		"| `size` | number | that of \\* |  |\n",
		"| `deploy.url` | string |  |\n",
		"Reads. Written `dynamic(\"web\", { … })` in config and in the default of a variable.\n",
		"It has no settings.\n",
		"Which there are depends on the configuration.\n",
		"```hcl\nproject = \"p\"\n```\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestTextOfAComponent(t *testing.T) {
	const want = `web
Do <this> | that.

web, platform
  Deploys. Written use "web" in deploy. This version cannot run it yet: it
  checks the configuration, and an operation says that it cannot run it.

  Settings

    path  string, required

    old  string
        Deprecated: write path.

    rule "KIND" { … }  block, any number

        size  number, default: that of *

    names  list of string, default: ["a|b"]

    on  bool, default: false

  Outputs, for later stages

    deploy.url  string

Example

  project = "p"
`
	if got := reference.Of(definition(), schema.Platform).Text(80, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := reference.Of(definition(), schema.Platform).Text(80, true); !strings.Contains(got, "\x1b[") {
		t.Error("there is no colour")
	}
	if got := reference.Of(definition(), schema.Builder); len(got.Components) != 0 {
		t.Errorf("components that are not asked for: %v", got.Components)
	}
}
