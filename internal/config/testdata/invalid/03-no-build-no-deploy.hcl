project = "x"
app "web" {
  release {
    use "docker" {}
  }
}
app "api" {
  build {
    use "pack" {}
  }
}
