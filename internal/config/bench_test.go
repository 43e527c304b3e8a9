package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

// largeFile has about 70 lines for each app.
func largeFile(apps int) []byte {
	var b strings.Builder
	b.WriteString("project = \"large-${workspace.name}\"\nvariable \"tag\" {\n  default = { default = \"dev\", prod = \"v1\" }[workspace.name]\n}\n")
	b.WriteString("variable \"password\" {\n  sensitive = true\n  default = \"s3cr3ts3cr3t\"\n}\n")
	for i := range apps {
		fmt.Fprintf(&b, `
app "app-%d" {
  path   = "./apps/%d"
  labels = {
    "service" = "app-%d",
    "env"     = { "default" = "dev", "prod" = "prod" }[workspace.name]
  }

  config {
    env = {
      A = "a-${config.internal.b}"
      B = var.password
      C = app.name
    }
    internal = { b = "b" }
  }

  build {
    use "docker" {
      dockerfile = "${path.app}/Dockerfile"
      build_args = {
        VERSION = var.tag
        NAME    = "${app.name}-${workspace.name}"
      }
      buildkit           = true
      disable_entrypoint = false
    }

    registry {
      use "aws-ecr" {
        region     = "eu-west-1"
        repository = lower("REPO-${app.name}")
        tag        = var.tag
      }
      workspace "prod" {
        use "aws-ecr" {
          region     = "eu-west-1"
          repository = "prod-${app.name}"
          tag        = artifact.tag
        }
      }
    }
  }

  deploy {
    use "kubernetes" {
      probe_path   = "/health"
      service_port = "8080"
      replicas     = 2
      static_environment = {
        IMAGE = "${artifact.image}:${artifact.tag}"
        ENV   = join(",", [for k, v in labels : "${k}=${v}"])
      }
      cpu {
        request = "250m"
        limit   = "500m"
      }
      autoscale {
        min_replicas = 1
        max_replicas = 5
      }
    }
    hook {
      when    = "after"
      command = ["./smoke.sh", app.name]
    }
  }

  release {
    use "kubernetes" {
      port = 80
    }
  }
}
`, i, i, i)
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	for _, apps := range []int{1, 11, 100, 1000} {
		src := largeFile(apps)
		b.Run(fmt.Sprintf("apps=%d/lines=%d", apps, strings.Count(string(src), "\n")), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f, diags := config.Parse(src, "waypoint.hcl"); diags.HasErrors() {
					b.Fatal(render(f, diags))
				}
			}
		})
	}
}

func BenchmarkParseAndEvaluateAll(b *testing.B) {
	for _, apps := range []int{1, 11, 100, 1000} {
		src := largeFile(apps)
		b.Run(fmt.Sprintf("apps=%d", apps), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, _ := config.Parse(src, "waypoint.hcl")
				vars, _, _ := f.ResolveVars(nil, config.Input{})
				p, diags := f.Project(config.Input{Vars: vars})
				for _, app := range p.Apps {
					_, more := app.ConfigEntries()
					diags = append(diags, more...)
					for _, kind := range []config.StageKind{config.Build, config.Registry, config.Deploy, config.Release} {
						stage, more := app.Stage(kind, stageInput())
						diags = append(diags, more...)
						var body map[string]any
						diags = append(diags, stage.Decode(&body)...)
					}
				}
				if diags.HasErrors() {
					b.Fatal(render(f, diags))
				}
			}
		})
	}
}
