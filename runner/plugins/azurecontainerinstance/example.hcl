project = "shop"

app "web" {
  build {
    use "pack" {}
    registry {
      use "docker" {
        image = "acme.azurecr.io/web"
        tag   = gitrefpretty()
      }
    }
  }

  deploy {
    use "azure-container-instance" {
      resource_group = "shop"
      location       = "northeurope"
      ports          = [8080]

      capacity {
        memory    = 1024
        cpu_count = 1
      }
    }
  }
}
