project = "shop"
app "web" {
  config {
    workspace "prod" {
      runner_profile = "x"
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
