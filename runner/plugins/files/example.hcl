project = "site"

app "pages" {
  build {
    use "files" {
      path = "public"
    }
    registry {
      use "files" {
        path = "/srv/releases/${gitrefhash()}"
      }
    }
  }

  deploy {
    use "exec" {
      command = ["ln", "-sfn", artifact.path, "/srv/www"]
    }
  }
}
