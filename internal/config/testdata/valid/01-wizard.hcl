project = "example"

app "web" {
  build {
    use "pack" {
      //The following field was skipped during file creation
      builder = ""
      disable_entrypoint = false
    }
    registry {
      use "docker" {
        image = "registry.example.com/web"
        tag   = "latest"
        local = true
      }
    }
  }
  deploy {
    use "kubernetes" {
      probe_path = "/"
      replicas   = ""
    }
  }
  release {
    use "kubernetes" {
      load_balancer = true
      port          = 3000
    }
  }
}
