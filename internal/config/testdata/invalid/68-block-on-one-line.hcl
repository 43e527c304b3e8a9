project = "shop"
app "web" {
  build { use "docker" {} }
  deploy {
    use "docker" {}
  }
}
