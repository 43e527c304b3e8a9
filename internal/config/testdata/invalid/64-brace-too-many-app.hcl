project = "shop"
app "web" {
  build {
    use "docker" {}
  }
  }
  registry {
    use "docker" {}
  }
  deploy {
    use "docker" {}
  }
}
