project = "shop"

app "web" {
  config {
    env = {
      DATABASE_URL = dynamic("kubernetes", {
        name   = "database"
        key    = "url"
        secret = true
      })
    }
  }

  build {
    use "pack" {}
    registry {
      use "docker" {
        image = "ghcr.io/acme/web"
        tag   = gitrefpretty()
      }
    }
  }

  deploy {
    use "kubernetes" {
      namespace    = "shop"
      service_port = 8080
      probe_path   = "/healthz"
      image_secret = "ghcr"
      replicas     = 2

      cpu {
        request = "250m"
        limit   = "500m"
      }
      memory {
        request = "128Mi"
        limit   = "256Mi"
      }
    }
  }

  release {
    use "kubernetes" {
      namespace = "shop"
      port      = 80

      ingress "http" {
        host = "shop.example.com"
        path = "/"
      }
    }
  }
}
