project = "shop"
app "web" {

  build {
    use "docker" {}
  }
  deploy {
    use "docker" {
      labels = {
        mesh.example.com/inject = "true"
        app.example.com/name = "x"
      }
    }
  }
}
