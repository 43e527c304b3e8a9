project = "shop"

variable "registry_token" {
  type      = string
  sensitive = true
}

app "web" {
  build {
    use "docker" {
      buildkit = true
      platform = "linux/amd64"
    }
    registry {
      use "docker" {
        image = "ghcr.io/acme/web"
        tag   = gitrefpretty()
        auth {
          username = "acme-bot"
          password = var.registry_token
        }
      }
    }
  }

  deploy {
    use "docker" {
      service_port = 8080
    }
  }
}
