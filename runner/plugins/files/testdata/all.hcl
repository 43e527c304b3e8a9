project = "all"

app "web" {
  build {
    use "files" {
      path = "public"
    }
    registry {
      use "files" {
        path = "/srv/site"
      }
    }
  }
  deploy {
    use "exec" {
      command = ["ls", artifact.path]
    }
  }

}
