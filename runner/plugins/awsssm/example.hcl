project = "shop"

app "web" {
  config {
    env = {
      DATABASE_PASSWORD = dynamic("aws-ssm", {
        path = "/shop/web/database-password"
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
