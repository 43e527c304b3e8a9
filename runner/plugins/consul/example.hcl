project = "shop"

app "web" {
  config {
    env = {
      FEATURES = dynamic("consul", {
        key = "shop/web/features"
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
