project = "shop"

app "web" {
  build {
    use "pack" {
      process_type = "web"
      static_environment = {
        BP_NODE_VERSION = "24.*"
      }
    }
  }

  deploy {
    use "docker" {
      service_port = 8080
    }
  }
}
