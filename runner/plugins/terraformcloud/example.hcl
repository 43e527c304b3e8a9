project = "shop"

app "web" {
  config {
    env = {
      DATABASE_HOST = dynamic("terraform-cloud", {
        organization = "acme"
        workspace    = "network"
        output       = "database_host"
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
