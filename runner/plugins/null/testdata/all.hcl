project = "all"

config {
  env = {
    VALUE = dynamic("null", {
      key = "a"
    })
  }
}

app "web" {
  build {
    use "null" {
      values = { a = 1 }
      lines  = 2
    }
    registry {
      use "null" {
        values = { b = artifact.a }
        lines  = 2
      }
    }
  }
  deploy {
    use "null" {
      values = { url = "https://example.com" }
      lines  = "2"
    }
  }
  release {
    use "null" {
      values = { url = deploy.anything }
      lines  = 2
    }
  }
}
