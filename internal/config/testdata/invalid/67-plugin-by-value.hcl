project = "shop"
app "web" {

  build {
    use var.target {}
  }
  deploy {
    use "docker" {

    }
  }
}
