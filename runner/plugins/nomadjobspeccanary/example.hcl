project = "shop"

app "web" {
  build {
    use "docker-ref" {
      image = "registry.example.com/web"
      tag   = "1.4.2"
    }
  }

  deploy {
    use "nomad-jobspec" {
      jobspec = templatefile("${path.app}/web.nomad.tpl")
    }
  }

  release {
    use "nomad-jobspec-canary" {
      groups = ["web"]
    }
  }
}
