app "web" {
  build {
    use "pack" {}
  }
  deploy {
    use "docker" {}
  }
}
