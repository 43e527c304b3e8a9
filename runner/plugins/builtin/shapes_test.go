package builtin_test

import (
	"fmt"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Bodies are written as real files write them: numbers in quotes and texts without, maps as blocks, what a wizard skipped
// as empty text, and names of earlier versions.
func TestSchemasTakeTheShapesOfRealFiles(t *testing.T) {
	for name, test := range map[string]struct {
		kind   schema.Kind
		plugin string
		body   string
	}{
		"numbers in quotes":       {schema.Platform, "aws-ecs", `memory = "512"` + "\n" + `count = "2"` + "\n" + `service_port = "80"`},
		"no memory":               {schema.Platform, "aws-ecs", `region = "us-east-1"`},
		"a log group":             {schema.Platform, "aws-ecs", `memory = 512` + "\n" + `log_group = "shop"`},
		"a tag that is a number":  {schema.Registry, "docker", `image = "web"` + "\n" + `tag = 1`},
		"build_args as a block":   {schema.Builder, "docker", "build_args {\n  VERSION = 3\n}"},
		"skipped by a wizard":     {schema.Platform, "helm", `name = "web"` + "\n" + `chart = "./chart"` + "\n" + `set = ""` + "\n" + `values = ""` + "\n" + `devel = ""`},
		"several sets":            {schema.Platform, "helm", "name = \"web\"\nchart = \"./chart\"\nset {\n  name = \"a\"\n  value = 1\n}\nset {\n  name = \"b\"\n  value = true\n}"},
		"port as text":            {schema.Releaser, "kubernetes", `port = "80"` + "\n" + `load_balancer = "true"`},
		"ports with numbers":      {schema.Platform, "kubernetes", `ports = [{ port = 8080, name = "http" }]`},
		"prune_whitelist":         {schema.Platform, "kubernetes-apply", `path = "."` + "\n" + `prune_label = "app=web"` + "\n" + `prune_whitelist = ["apps/v1/Deployment"]`},
		"nothing":                 {schema.Builder, "pack", ""},
		"no repository":           {schema.Registry, "aws-ecr", `tag = "latest"`},
		"resources with a number": {schema.Platform, "docker", `resources = { cpu = 100, memory = "512m" }`},
		"one command":             {schema.Platform, "exec", `command = ["sh", "-c", "true"]`},
	} {
		t.Run(name, func(t *testing.T) {
			src := fileOf(test.kind, test.plugin, test.body)
			if diags := checkSource(t, src); diags.HasErrors() {
				t.Errorf("%v\n%s", diags, src)
			}
		})
	}
	src := `project = "p"
variable "image" {
  default = dynamic("packer", { bucket = "web", channel = "prod", region = "us-east-1", cloud_provider = "aws" })
}
` + fileOf(schema.Platform, "null", "")[len("project = \"p\"\n"):]
	if diags := checkSource(t, src); diags.HasErrors() {
		t.Errorf("cloud_provider: %v", diags)
	}
}

// fileOf is a whole file with one body of interest.
func fileOf(kind schema.Kind, plugin, body string) string {
	use := fmt.Sprintf("use %q {\n%s\n}", plugin, body)
	build, registry, deploy, release := `use "null" {}`, "", `use "null" {}`, ""
	switch kind {
	case schema.Builder:
		build = use
	case schema.Registry:
		registry = "registry {\n" + use + "\n}"
	case schema.Platform:
		deploy = use
	case schema.Releaser:
		release = "release {\n" + use + "\n}"
	}
	return fmt.Sprintf("project = \"p\"\napp \"web\" {\nbuild {\n%s\n%s\n}\ndeploy {\n%s\n}\n%s\n}\n", build, registry, deploy, release)
}

// checkSource parses a file and holds all its bodies to their schemas.
func checkSource(t *testing.T, src string) hcl.Diagnostics {
	t.Helper()
	file, diags := config.Parse([]byte(src), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, src)
	}
	return checkFile(t, file)
}
