project = "x"
app "web" {
  build {
    use "docker" {}

  deploy {
    use "docker" {}
  }
}
