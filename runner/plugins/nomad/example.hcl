project = "shop"

app "web" {
  build {
    use "pack" {}
    registry {
      use "docker" {
        image = "registry.example.com/web"
        tag   = gitrefpretty()
      }
    }
  }

  deploy {
    use "nomad" {
      datacenter       = "dc1"
      service_provider = "nomad"
      replicas         = 2

      resources {
        cpu      = 200
        memorymb = 256
      }
    }
  }
}
