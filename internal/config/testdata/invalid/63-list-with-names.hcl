project = "shop"
app "web" {

  build {
    use "docker" {}
  }
  deploy {
    use "docker" {
      networks = [ A = "x" ]
    }
  }
}
