package config_test

import (
	"fmt"
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

// referenceRows are the rules, in the order of the page.
func referenceRows() []referenceRow {
	var rows []referenceRow
	for _, list := range [][]referenceRow{stanzaRows(), choiceRows(), functionRows(), nameRows(), variableRows()} {
		rows = append(rows, list...)
	}
	return rows
}

// in puts stanzas into an app that has what every app must have.
func in(stanzas string) string {
	if stanzas = strings.Trim(stanzas, "\n"); stanzas != "" {
		stanzas += "\n\n"
	}
	return fmt.Sprintf(`project = "shop"
app "web" {
%s  build {
    use "null" {}
  }
  deploy {
    use "null" {}
  }
}
`, stanzas)
}

// value is a file whose build has one value.
func value(expression string) string {
	return fmt.Sprintf(`project = "shop"
app "web" {
  build {
    use "null" {
      value = %s
    }
  }
  deploy {
    use "null" {}
  }
}
`, expression)
}

// stanzaRow is the row of a stanza, whose rule stands in its registration.
func stanzaRow(stanza string, cases []referenceCase) referenceRow {
	for _, r := range config.Rules() {
		if r.Stanza == stanza {
			return referenceRow{"Stanzas", stanza, r.Mark, r.Rule, cases}
		}
	}
	return referenceRow{section: "Stanzas", name: stanza}
}

func stanzaRows() []referenceRow {
	return []referenceRow{
		stanzaRow("project", []referenceCase{
			{hcl: "labels = { team = \"shop\" }\n" + in(``), want: []string{"project shop", "label team = shop"}},
			{hcl: "project = \"shop-${workspace.name}\"\n", want: []string{"project shop-default"}},
			{hcl: "app \"web\" {\n}\n", refused: `Missing attribute "project"`},
		}),
		stanzaRow("app", []referenceCase{
			{hcl: in(`  path   = "./services/web"
  labels = { tier = "front" }`) + "app \"worker\" {\n  build {\n    use \"null\" {}\n  }\n  deploy {\n    use \"null\" {}\n  }\n}\n",
				want: []string{"app web in services/web", "web label tier = front", "app worker in ."}},
			{hcl: in(`  path = "../elsewhere"`), refused: "inside the project"},
		}),
		stanzaRow("build", []referenceCase{
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    labels = { made = \"here\" }\n    use \"docker\" {\n      dockerfile = \"Dockerfile.web\"\n    }\n  }\n  deploy {\n    use \"docker\" {}\n  }\n}\n",
				want: []string{`web build uses docker {"dockerfile":"Dockerfile.web"}`, "web build label made = here"}},
			{hcl: "project = \"shop\"\napp \"web\" {\n  deploy {\n    use \"docker\" {}\n  }\n}\n", refused: "build"},
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    workspace \"prod\" {\n      use \"docker\" {}\n    }\n  }\n  deploy {\n    use \"docker\" {}\n  }\n}\n", refused: "use"},
		}),
		stanzaRow("registry", []referenceCase{
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    use \"docker\" {}\n    registry {\n      use \"docker\" {\n        image = \"registry.example.com/web\"\n        tag   = gitrefpretty()\n      }\n    }\n  }\n  deploy {\n    use \"docker\" {}\n  }\n}\n",
				want: []string{`web registry uses docker {"image":"registry.example.com/web","tag":"v1"}`}},
			{hcl: in("  registry {\n    use \"docker\" {}\n  }"), refused: `Misplaced block "registry"`},
		}),
		stanzaRow("deploy", []referenceCase{
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    use \"docker\" {}\n  }\n  deploy {\n    use \"docker\" {\n      service_port = 8080\n    }\n  }\n}\n",
				want: []string{`web deploy uses docker {"service_port":8080}`}},
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    use \"docker\" {}\n  }\n}\n", refused: "deploy"},
		}),
		stanzaRow("release", []referenceCase{
			{hcl: in("  release {\n    use \"kubernetes\" {\n      port = 80\n    }\n  }"), want: []string{`web release uses kubernetes {"port":80}`}},
			{hcl: in("  release {}"), want: []string{"app web in ."}, unwanted: []string{"web release uses kubernetes {}"}},
		}),
		stanzaRow("use", []referenceCase{
			{hcl: value(`upper("text")`), want: []string{`web build value = "TEXT"`}},
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    use \"null\" {}\n    use \"docker\" {}\n  }\n  deploy {\n    use \"null\" {}\n  }\n}\n", refused: "use"},
		}),
		stanzaRow("hook", []referenceCase{
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    use \"null\" {}\n    hook {\n      when    = \"before\"\n      command = [\"make\", \"assets\"]\n    }\n    hook {\n      when       = \"after\"\n      command    = [\"./notify\", app.name]\n      on_failure = \"continue\"\n    }\n  }\n  deploy {\n    use \"null\" {}\n  }\n}\n",
				want: []string{"web build hook before: make assets, then fail", "web build hook after: ./notify web, then continue"}},
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    use \"null\" {}\n    hook {\n      when    = \"during\"\n      command = [\"true\"]\n    }\n  }\n  deploy {\n    use \"null\" {}\n  }\n}\n", refused: "before"},
		}),
		stanzaRow("config", []referenceCase{
			{hcl: "config {\n  env = {\n    REGION = \"eu\"\n  }\n}\n" + in(`  config {
    file_change_signal = "SIGHUP"
    internal = {
      user = dynamic("vault", { path = "db", key = "user" })
    }
    env = {
      GREETING = "Hello from ${config.env.NAME}"
      NAME     = app.name
      DATABASE = "postgres://${config.internal.user}@db"
    }
    file = {
      "app.ini" = "name=${config.env.NAME}"
    }
    workspace "prod" {
      env = { NAME = "production" }
    }
    label "tier == \"front\"" {
      env = { FRONT = "1" }
    }
    runner {
      env = { AWS_REGION = "eu-west-1" }
    }
  }`), want: []string{
				"config env REGION = eu", "web config env GREETING = Hello from web", "web config env NAME = web",
				`web config internal user = from vault map[key:user path:db]`,
				`web config env DATABASE = later ${"postgres://${config.internal.user}@db"}`, "web config file app.ini = name=web",
				"web config env NAME = production in workspace prod", `web config env FRONT = 1 in label tier == "front"`,
				"web config env AWS_REGION = eu-west-1 for runners", "web file_change_signal = SIGHUP",
			}},
			{hcl: in("  config {\n    env = {\n      A = config.env.B\n      B = config.env.A\n    }\n  }"), refused: "Config values refer to each other"},
		}),
		stanzaRow("url", []referenceCase{
			{hcl: in("  url {\n    auto_hostname = false\n  }"), want: []string{"web auto_hostname = false"}},
		}),
		stanzaRow("runner", []referenceCase{
			{hcl: "runner {\n  enabled = true\n  profile = \"pool-${workspace.name}\"\n  data_source \"git\" {\n    url = \"https://example.com/shop.git\"\n  }\n  poll {\n    enabled  = true\n    interval = \"30s\"\n  }\n}\n" + in("  runner {\n    profile = \"arm\"\n  }"),
				want: []string{"runner enabled = true", "runner profile = pool-default", "source git https://example.com/shop.git", "poll enabled = true, every 30s", "web runner profile = arm"}},
			{hcl: "runner {\n  poll {\n    enabled  = true\n    interval = \"often\"\n  }\n}\n" + in(``), refused: "duration"},
		}),
		stanzaRow("data_source", []referenceCase{
			{hcl: "runner {\n  data_source \"git\" {\n    url                         = \"https://example.com/shop.git\"\n    ref                         = \"main\"\n    path                        = \"web\"\n    username                    = \"ci\"\n    password                    = var.password\n    ignore_changes_outside_path = true\n    recurse_submodules          = 2\n  }\n}\nvariable \"password\" {\n  default = \"swordfish\"\n}\n" + in(``),
				want: []string{"source git https://example.com/shop.git main web", "source credentials: ci swordfish", "source ignores changes outside = true, submodules to depth 2"}},
			{hcl: "runner {\n  data_source \"git\" {\n    url          = \"git@example.com:shop.git\"\n    key          = \"PEM\"\n    key_password = \"open\"\n  }\n}\n" + in(``), want: []string{"source credentials: PEM open"}},
			{hcl: "runner {\n  data_source \"local\" {}\n}\n" + in(``), want: []string{"source local "}},
			{hcl: "runner {\n  data_source \"svn\" {}\n}\n" + in(``), refused: "git"},
		}),
		stanzaRow("variable", []referenceCase{
			{hcl: "variable \"port\" {\n  type        = number\n  default     = 8080\n  description = \"where the app listens\"\n  env         = [\"PORT\"]\n}\nvariable \"password\" {\n  type      = string\n  sensitive = true\n  default   = \"swordfish\"\n}\n" + value("var.port"),
				want: []string{"variable port = 8080, number, from default", "variable password = (sensitive), string, from default", "web build value = 8080"}},
			{hcl: "variable \"a\" {\n  type    = number\n  default = \"many\"\n}\n" + in(``), refused: "number"},
		}),
		stanzaRow("pipeline", []referenceCase{
			{hcl: in(``) + "pipeline \"release\" {\n  step \"test\" {\n    image_url = \"example.com/test\"\n    use \"exec\" {\n      command = \"make\"\n      args    = [\"test\"]\n    }\n  }\n  step \"ship\" {\n    workspace = \"prod\"\n    use \"up\" {\n      prune = false\n    }\n  }\n}\n",
				want: []string{"pipeline release step test uses exec after []", `pipeline release step test {"args":["test"],"command":"make"}`, `pipeline release step test in image "example.com/test", workspace ""`, "pipeline release step ship uses up after [test]"}},
		}),
		stanzaRow("step", []referenceCase{
			{hcl: in(``) + "pipeline \"release\" {\n  step \"a\" {\n    use \"build\" {}\n  }\n  step \"b\" {\n    use \"build\" {}\n  }\n  step \"c\" {\n    depends_on = [\"a\"]\n    pipeline \"inner\" {\n      step \"d\" {\n        use \"deploy\" {}\n      }\n    }\n  }\n}\n",
				want: []string{"pipeline release step b uses build after [a]", "pipeline release step c uses  after [a]", "pipeline release/inner step d uses deploy after []"}},
			{hcl: in(``) + "pipeline \"p\" {\n  step \"a\" {\n    use \"biuld\" {}\n  }\n}\n", refused: `Did you mean "build"`},
			{hcl: in(``) + "pipeline \"p\" {\n  step \"a\" {\n    depends_on = [\"z\"]\n    use \"build\" {}\n  }\n}\n", refused: `"z"`},
		}),
		{"Stanzas", "JSON", "U", "The file may be `waypoint.hcl.json`.", []referenceCase{
			{json: true, hcl: `{"project": "shop", "app": {"web": {"build": {"use": {"docker": {"dockerfile": "${path.app}/D"}}}, "deploy": {"use": {"docker": {}}}}}}`,
				want: []string{"project shop", "web deploy uses docker {}"}},
		}},
	}
}

const scopedDeploy = `project = "shop"
app "web" {
  labels = { tier = "front", size = "large" }
  build {
    use "null" {}
  }
  deploy {
    use "docker" {}
    hook {
      when    = "before"
      command = ["echo", "everywhere"]
    }
    workspace "prod" {
      use "kubernetes" {}
    }
    label "tier == \"front\"" {
      use "nomad" {}
    }
    label "tier == \"front\" and size == \"large\"" {
      use "aws-ecs" {}
    }
  }
}
`

func choiceRows() []referenceRow {
	return []referenceRow{
		{"Choices", "scoped stages", "C", "The `workspace` block of the current workspace wins; else the `label` block with the longest selector that matches; else what no scope limits. The winner replaces the whole body: `use` and hooks.", []referenceCase{
			{hcl: scopedDeploy, workspace: "prod", want: []string{"web deploy uses kubernetes {}"}, unwanted: []string{"web deploy hook before: echo everywhere, then fail"}},
			{hcl: scopedDeploy, want: []string{"web deploy uses aws-ecs {}"}},
			{hcl: strings.Replace(scopedDeploy, `{ tier = "front", size = "large" }`, `{ tier = "back" }`, 1), want: []string{"web deploy uses docker {}", "web deploy hook before: echo everywhere, then fail"}},
		}},
		{"Choices", "scoped registry", "U", "A registry has scoped blocks of its own; they are not bound to those of its build.", []referenceCase{
			{hcl: "project = \"shop\"\napp \"web\" {\n  build {\n    use \"null\" {}\n    workspace \"prod\" {\n      use \"docker\" {}\n    }\n    registry {\n      use \"files\" {}\n      workspace \"prod\" {\n        use \"aws-ecr\" {}\n      }\n    }\n  }\n  deploy {\n    use \"null\" {}\n  }\n}\n",
				workspace: "prod", want: []string{"web build uses docker {}", "web registry uses aws-ecr {}"}},
		}},
		{"Choices", "labels", "C", "Labels of a stage, the later winning: the workspace's own, those of the project, of the app, of the stage (of its unscoped body), and `-label`.", []referenceCase{
			{hcl: "labels = { a = \"project\", b = \"project\", c = \"project\" }\n" + strings.Replace(in("  labels = { b = \"app\", c = \"app\" }"), "  build {\n", "  build {\n    labels = { c = \"stage\" }\n", 1),
				want: []string{"web build label a = project", "web build label b = app", "web build label c = stage", "web build label waypoint/workspace = default"}},
			{hcl: "labels = { \"waypoint/x\" = \"mine\" }\n" + in(``), refused: "waypoint/"},
		}},
		{"Choices", "stages are lazy", "C", "A stage is evaluated when it runs, and sees what is known by then: a mistake in `release` does not keep `build` from running.", []referenceCase{
			{hcl: in("  release {\n    use \"null\" {\n      value = deploy.id\n    }\n  }"), want: []string{`web release value = "d1"`}},
			{hcl: value("deploy.id"), refused: "in release"},
		}},
	}
}

func variableRows() []referenceRow {
	typed := func(typ, def string) string {
		return fmt.Sprintf("variable \"x\" {\n  type    = %s\n  default = %s\n}\n", typ, def) + value("var.x")
	}
	all := []config.VarInput{
		{Name: "x", Value: "flag", Source: config.SourceFlag},
		{Name: "x", Value: "file", Source: config.SourceFile}, {Name: "x", Value: "env", Source: config.SourceEnv},
		{Name: "x", Value: "auto", Source: config.SourceAutoFile}, {Name: "x", Value: "runner", Source: config.SourceRunnerEnv},
		{Name: "x", Value: "server", Source: config.SourceServer},
	}
	precedence := func(from int, value, source string) referenceCase {
		return referenceCase{hcl: typed("string", `"declared"`), given: all[from:], want: []string{fmt.Sprintf("variable x = %s, string, from %s", value, source)}}
	}
	return []referenceRow{
		{"Input variables", "types", "C", "`string`, `number`, `bool`, `list(…)`, `set(…)`, `map(…)`, `object({…})`, `tuple([…])`, `any`. Numbers may have fractions.", []referenceCase{
			{hcl: typed("object({ name = string, ports = list(number) })", `{ name = "web", ports = [80, "443"] }`), want: []string{`web build value = {"name":"web","ports":[80,443]}`}},
			{hcl: typed("string", "8080"), want: []string{`web build value = "8080"`}},
			{hcl: typed("number", `"1.5"`), want: []string{`web build value = 1.5`}},
			{hcl: typed("bool", `"true"`), want: []string{`web build value = true`}},
			{hcl: typed("set(string)", `["b", "a", "b"]`), want: []string{`web build value = ["a","b"]`}},
			{hcl: typed("map(number)", `{ a = "1" }`), want: []string{`web build value = {"a":1}`}},
			{hcl: typed("tuple([string, number])", `["a", "1"]`), want: []string{`web build value = ["a",1]`}},
			{hcl: typed("any", `{ a = [1, "b"] }`), want: []string{`web build value = {"a":[1,"b"]}`}},
			{hcl: typed("lst(string)", `[]`), refused: `Did you mean "list"`},
		}},
		{"Input variables", "precedence", "C", "The lowest first: `default`, a dynamic default, values kept on the server, the runner's environment, `*.auto.wpvars` files, the caller's `WP_VAR_x`, `-var-file`, `-var`.", []referenceCase{
			precedence(0, "flag", "flag"), precedence(1, "file", "file"), precedence(2, "env", "env"), precedence(3, "auto", "auto file"),
			precedence(4, "runner", "runner env"), precedence(5, "server", "server"), precedence(6, "declared", "default"),
		}},
		{"Input variables", "text", "C", "Text from a flag or the environment is taken as it is for strings, and as an expression for lists, maps and objects.", []referenceCase{
			{hcl: typed("list(string)", `[]`), given: []config.VarInput{{Name: "x", Value: `["a", "b"]`, Source: config.SourceFlag}}, want: []string{`web build value = ["a","b"]`}},
			{hcl: typed("string", `""`), given: []config.VarInput{{Name: "x", Value: `["a"]`, Source: config.SourceFlag}}, want: []string{`web build value = "[\"a\"]"`}},
			{hcl: typed("number", `1`), given: []config.VarInput{{Name: "x", Value: "many", Source: config.SourceFlag}}, refused: "number"},
		}},
		{"Input variables", "no value", "C", "A variable without a value and without a default is an error.", []referenceCase{
			{hcl: "variable \"x\" {\n  type        = string\n  description = \"the image's tag\"\n}\n" + in(``), refused: `Variable "x" has no value`},
		}},
		{"Input variables", "not declared", "C", "A value for what is not declared is an error, but for one in the environment. One that the server keeps is a warning.", []referenceCase{
			{hcl: typed("string", `"d"`), given: []config.VarInput{{Name: "y", Value: "v", Source: config.SourceFlag}}, refused: `undeclared variable "y"`},
			{hcl: typed("string", `"d"`), given: []config.VarInput{{Name: "y", Value: "v", Source: config.SourceEnv}}, want: []string{`web build value = "d"`}},
			{hcl: value("var.y"), refused: `declares no variable "y"`},
		}},
		{"Input variables", "sensitive", "U", "The value of a variable that is `sensitive` reaches the plugin, and no output, error or record.", []referenceCase{
			{hcl: "variable \"x\" {\n  sensitive = true\n  default   = \"swordfish\"\n}\n" + value(`"a-${var.x}"`), want: []string{"variable x = (sensitive), string, from default", `web build value = "a-swordfish"`}},
		}},
		{"Input variables", "dynamic default", "U", "A default may be `dynamic(…)`, which only a runner fetches; a value given from elsewhere wins over it.", []referenceCase{
			{hcl: typed("string", `dynamic("vault", { path = "tag" })`), given: []config.VarInput{{Name: "x", Value: "v", Source: config.SourceFlag}}, want: []string{`web build value = "v"`}},
			{hcl: typed("string", `dynamic("vault", { path = "tag" })`), refused: "config source"},
			{hcl: typed("string", `upper("a")`), want: []string{`web build value = "A"`}},
		}},
	}
}
