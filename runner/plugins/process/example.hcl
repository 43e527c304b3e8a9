project = "shop"

app "web" {
  build {
    use "process" {
      command = ["go", "build", "-o", "bin/web", "./cmd/web"]
      path    = "bin"
    }
  }

  deploy {
    use "process" {
      command = ["./web"]

      health_check {
        path = "/healthz"
      }
    }
  }

  release {
    use "process" {
      port = 8080
    }
  }
}
