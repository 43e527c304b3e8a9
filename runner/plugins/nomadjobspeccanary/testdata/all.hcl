project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "nomad-jobspec" {
      jobspec = "web.nomad"
    }
  }
  release {
    use "nomad-jobspec-canary" {
      groups          = ["web"]
      fail_deployment = false
    }
  }
}
