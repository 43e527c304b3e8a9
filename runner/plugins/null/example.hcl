project = "demo"

app "web" {
  build {
    use "null" {
      values = { version = "1.4.2" }
    }
  }

  deploy {
    use "null" {
      values = { url = "https://${artifact.version}.example.com" }
    }
  }
}
