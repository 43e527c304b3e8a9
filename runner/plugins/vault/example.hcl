project = "shop"

app "web" {
  config {
    env = {
      DATABASE_PASSWORD = dynamic("vault", {
        path = "secret/data/web"
        key  = "/data/password"
      })
    }
  }

  build {
    use "pack" {}
  }

  deploy {
    use "docker" {}
  }
}
