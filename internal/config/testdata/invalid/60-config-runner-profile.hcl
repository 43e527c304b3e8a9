project = "shop"
app "web" {
  config {
    runner {
      profile = "k8s"
    }
  }
  build {
    use "docker" {}
  }
  deploy {
    use "docker" {

    }
  }
}
