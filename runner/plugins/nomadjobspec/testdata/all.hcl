project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "nomad-jobspec" {
      jobspec      = templatefile("${path.app}/web.nomad.tpl")
      hcl1         = false
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
