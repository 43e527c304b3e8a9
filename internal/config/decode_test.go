package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

type probe struct {
	Path    string `hcl:"path,optional"`
	Timeout *int   `hcl:"timeout,optional"`
}

type ingress struct {
	Kind  string   `hcl:"kind,label"`
	Hosts []string `hcl:"hosts,optional"`
}

type setting struct {
	Name  string `hcl:"name"`
	Value string `hcl:"value"`
}

type pluginConfig struct {
	Image          string            `hcl:"image"`
	Port           int               `hcl:"port,optional"`
	Small          uint8             `hcl:"small,optional"`
	Ratio          float64           `hcl:"ratio,optional"`
	Memory         string            `hcl:"memory,optional"`
	On             bool              `hcl:"on,optional"`
	MaybeOn        *bool             `hcl:"maybe_on,optional"`
	Args           []string          `hcl:"args,optional"`
	Env            map[string]string `hcl:"static_environment,optional"`
	SecurityGroups []string          `hcl:"security_group_ids,optional"`
	Any            any               `hcl:"any,optional"`
	Probe          *probe            `hcl:"probe,block"`
	Ingress        []ingress         `hcl:"ingress,block"`
	Sets           []*setting        `hcl:"set,block"`
	Untagged       string
}

func decode(t *testing.T, body string, target any) (string, bool) {
	t.Helper()
	src := "project = \"p\"\napp \"web\" {\n  build {\n    use \"docker\" {\n" + body + "\n    }\n  }\n  deploy {\n    use \"null\" {}\n  }\n}\n"
	f, diags := config.Parse([]byte(src), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	p, diags := f.Project(config.Input{})
	stage, more := p.Apps[0].Stage(config.Build, config.StageInput{})
	if diags = append(diags, more...); diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	diags = stage.Decode(target)
	return strings.Join(strings.Fields(render(f, diags)), " "), diags.HasErrors()
}

func ptr[T any](v T) *T { return &v }

func TestDecodeFillsStructs(t *testing.T) {
	tests := map[string]struct {
		body string
		want pluginConfig
	}{
		"plain":                    {`image = "x"`, pluginConfig{Image: "x"}},
		"quoted number to int":     {"image = \"x\"\nport = \"8080\"", pluginConfig{Image: "x", Port: 8080}},
		"number to text":           {"image = 1\nmemory = 512", pluginConfig{Image: "1", Memory: "512"}},
		"quoted bool":              {"image = \"x\"\non = \"true\"\nmaybe_on = false", pluginConfig{Image: "x", On: true, MaybeOn: ptr(false)}},
		"fraction":                 {"image = \"x\"\nratio = 0.5", pluginConfig{Image: "x", Ratio: 0.5}},
		"list":                     {"image = \"x\"\nargs = [\"a\", 1, true]", pluginConfig{Image: "x", Args: []string{"a", "1", "true"}}},
		"map as an attribute":      {"image = \"x\"\nstatic_environment = { A = 1, \"B\" : \"b\" }", pluginConfig{Image: "x", Env: map[string]string{"A": "1", "B": "b"}}},
		"map as a block":           {"image = \"x\"\nstatic_environment {\nA = 1\n}", pluginConfig{Image: "x", Env: map[string]string{"A": "1"}}},
		"block":                    {"image = \"x\"\nprobe {\npath = \"/\"\ntimeout = \"3\"\n}", pluginConfig{Image: "x", Probe: &probe{Path: "/", Timeout: ptr(3)}}},
		"block as an attribute":    {"image = \"x\"\nprobe = { path = \"/\" }", pluginConfig{Image: "x", Probe: &probe{Path: "/"}}},
		"blocks with labels":       {"image = \"x\"\ningress \"http\" {\nhosts = [\"a\"]\n}\ningress \"tcp\" {}", pluginConfig{Image: "x", Ingress: []ingress{{"http", []string{"a"}}, {"tcp", nil}}}},
		"several blocks":           {"image = \"x\"\nset {\nname = \"a\"\nvalue = 1\n}\nset {\nname = \"b\"\nvalue = true\n}", pluginConfig{Image: "x", Sets: []*setting{{"a", "1"}, {"b", "true"}}}},
		"null is not set":          {"image = \"x\"\nport = null\nprobe = null", pluginConfig{Image: "x"}},
		"generated empty texts":    {"image = \"x\"\nport = \"\"\nset = \"\"\nargs = \"\"", pluginConfig{Image: "x"}},
		"any":                      {"image = \"x\"\nany = { a = [1, 1.5, \"x\"] }", pluginConfig{Image: "x", Any: map[string]any{"a": []any{int64(1), 1.5, "x"}}}},
		"expressions":              {"image = \"${app.name}-${lower(\"X\")}\"", pluginConfig{Image: "web-x"}},
		"list of objects as block": {"image = \"x\"\nset = [{ name = \"a\", value = 1 }]", pluginConfig{Image: "x", Sets: []*setting{{"a", "1"}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got pluginConfig
			if text, failed := decode(t, tt.body, &got); failed || text != "" {
				t.Fatal(text)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"a missing attribute":            {`port = 1`, `waypoint.hcl:4:5, in app "web" → build`},
		"a missing attribute, by name":   {`port = 1`, `The plugin "docker" requires "image".`},
		"a misspelt attribute":           {"image = \"x\"\nsecurity_groups_ids = []", `Did you mean "security_group_ids"?`},
		"a misspelt block":               {"image = \"x\"\nproeb {}", `Did you mean "probe"?`},
		"an unknown attribute":           {"image = \"x\"\nzzz = 1", `has only any, args, image`},
		"an unknown one inside a block":  {"image = \"x\"\nprobe {\npaht = 1\n}", `"probe" has no attribute "paht". Did you mean "path"?`},
		"a fraction for an int":          {"image = \"x\"\nport = 1.5", "A whole number is required"},
		"text for a number":              {"image = \"x\"\nport = \"http\"", "A number is required"},
		"a number that does not fit":     {"image = \"x\"\nsmall = 256", "The number is too large"},
		"a negative unsigned number":     {"image = \"x\"\nsmall = -1", "not negative"},
		"text for a list":                {"image = \"x\"\nargs = \"a b\"", `A list such as ["a", "b"] is required, not string`},
		"a list for text":                {`image = ["x"]`, "Text is required, not tuple"},
		"a list for a map":               {"image = \"x\"\nstatic_environment = [1]", "A map such as"},
		"a wrong element":                {"image = \"x\"\nstatic_environment = { A = [] }", `Element "A": text is required`},
		"null for a required attribute":  {`image = null`, "it is null"},
		"an attribute as a block":        {"image = \"x\"\nport {}", `"port" is an attribute, not a block`},
		"a second block":                 {"image = \"x\"\nprobe {}\nprobe {}", `has one "probe"`},
		"a block without its label":      {"image = \"x\"\ningress {}", `Write ingress "KIND" { … }`},
		"a block with a label too many":  {"image = \"x\"\nprobe \"a\" {}", "has no label"},
		"a block and an attribute":       {"image = \"x\"\nprobe {}\nprobe = {}", ""},
		"text for a block":               {"image = \"x\"\nprobe = \"x\"", "it is a block: write probe { … }"},
		"a wrong object for a block":     {"image = \"x\"\nprobe = { paht = 1 }", `did you mean "path"?`},
		"an incomplete object for block": {"image = \"x\"\nset = { name = \"a\" }", `"value" is missing`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r != nil {
					t.Fatalf("panic: %v", r)
				}
			}()
			var got pluginConfig
			text, failed := decode(t, tt.body, &got)
			if !failed || !strings.Contains(strings.ToLower(text), strings.ToLower(tt.want)) {
				t.Errorf("got %s\nwant %s", text, tt.want)
			}
		})
	}
}

func TestDecodeReportsAllErrorsAtOnce(t *testing.T) {
	var got pluginConfig
	text, _ := decode(t, "port = \"x\"\nargz = []\nratio = \"y\"", &got)
	if n := strings.Count(text, "Error:"); n != 4 {
		t.Errorf("%d errors in %s", n, text)
	}
}

func TestDecodeKeepsDefaultsOfTheTarget(t *testing.T) {
	got := pluginConfig{Port: 3000}
	if text, failed := decode(t, `image = "x"`, &got); failed || got.Port != 3000 {
		t.Error(text, got.Port)
	}
}

func TestDecodeWithoutConfiguration(t *testing.T) {
	if text, failed := decode(t, "", nil); failed {
		t.Error(text)
	}
	if text, failed := decode(t, "a = 1", nil); !failed || !strings.Contains(text, "has no configuration") {
		t.Error(text)
	}
}

func TestDecodeRemain(t *testing.T) {
	var m struct {
		A    string         `hcl:"a,optional"`
		Rest map[string]any `hcl:",remain"`
	}
	if text, failed := decode(t, "a = 1\nb = 2", &m); failed || m.A != "1" || m.Rest["b"] != int64(2) {
		t.Error(text, m)
	}
	var b struct {
		Body hcl.Body `hcl:",remain"`
	}
	if text, failed := decode(t, "a = 1\nb = 2", &b); failed || b.Body == nil {
		t.Error(text)
	}
}

func TestCheckNeedsNoValues(t *testing.T) {
	f := parse(t, "")
	_ = f
	f, diags := config.Parse([]byte(`
project = "p"
variable "unset" {}
app "web" {
  build {
    use "docker" {
      image = var.unset
      prot  = file("missing")
    }
  }
  deploy {
    use "null" {}
    workspace "prod" {
      use "docker" {
        port = var.unset
      }
    }
  }
}
`), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	uses := f.Uses()
	if len(uses) != 3 || uses[2].Workspace != "prod" || uses[2].Kind != config.Deploy {
		t.Fatalf("%+v", uses)
	}
	if got := render(f, uses[0].Check(&pluginConfig{}, nil)); !strings.Contains(got, `Did you mean "port"?`) || strings.Count(got, "Error:") != 1 {
		t.Error(got)
	}
	if got := render(f, uses[2].Check(&pluginConfig{}, nil)); !strings.Contains(got, `requires "image"`) {
		t.Error(got)
	}
}
