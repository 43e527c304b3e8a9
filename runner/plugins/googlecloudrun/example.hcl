project = "shop"

app "web" {
  build {
    use "pack" {}
    registry {
      use "docker" {
        image = "europe-north1-docker.pkg.dev/acme/shop/web"
        tag   = gitrefpretty()
      }
    }
  }

  deploy {
    use "google-cloud-run" {
      project  = "acme"
      location = "europe-north1"
      port     = 8080

      capacity {
        memory    = 256
        cpu_count = 1
      }
      auto_scaling {
        max = 5
      }
    }
  }

  release {
    use "google-cloud-run" {}
  }
}
