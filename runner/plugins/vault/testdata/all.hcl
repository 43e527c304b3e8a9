project = "all"

config {
  env = {
    VALUE = dynamic("vault", {
      path = "secret/data/web"
      key  = "/data/password"
    })
  }
}

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "docker" {}
  }
}
