# Values picked by workspace, also in the defaults of variables, before the variables are declared.
project = "shop-${workspace.name}"

labels = {
  "tier" : { "default" = "dev", "prod" = "gold" }[workspace.name],
  owner  = "platform"
}

app "api" {
  build {
    use "docker" {
      dockerfile = templatefile("${path.project}/files/Dockerfile.tpl", { base = var.base })
      build_args = {
        VERSION = var.tag
      }
    }
    registry {
      use "docker" {
        image = "registry.example.com/${app.name}"
        tag   = { "default" = "snapshot", "prod" = var.tag }[workspace.name]
      }
    }
  }
  deploy {
    use "docker" {
      service_port = "8080"
    }
  }
}

variable "tag" {
  default     = { "default" = "0.0.0", "prod" = "1.2.3" }[workspace.name]
  type        = string
  description = "what to deploy"
}

variable base {
  type    = string
  default = "alpine:3"
  env     = ["BASE_IMAGE"]
}
