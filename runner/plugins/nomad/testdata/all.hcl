project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "nomad" {
      datacenter = "dc1"
      namespace  = "shop"
      region     = "global"
      replicas   = 2
      resources {
        cpu      = 200
        memorymb = "256"
      }
      service_port       = 8080
      service_provider   = "nomad"
      static_environment = { IMAGE = artifact.image }
      auth {
        username = "acme-bot"
        password = "secret"
      }
      consul_token = "token"
      vault_token  = "token"
    }
  }
  release {
    use "nomad-jobspec-canary" {
      groups = [deploy.id, deploy.name]
    }
  }
}
