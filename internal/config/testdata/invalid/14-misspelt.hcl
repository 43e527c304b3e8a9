projct = "x"
labels {
  a = "b"
}
app "web" {
  biuld {
    use "docker" {}
  }
  deploy = {}
  relase {
    use "docker" {}
  }
}
app {
}
