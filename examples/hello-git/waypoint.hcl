project = "hello-git"

# The same app as examples/hello, but built and run by a standing runner, which fetches this repository.
runner {
  enabled = true

  data_source "git" {
    # This very repository, for a first try on one machine. Yours is more likely
    # "https://github.com/you/hello.git" or "ssh://git@example.com/you/hello.git".
    url = "file://${path.project}"
  }
}

variable "port" {
  type        = number
  default     = 8788
  description = "Stable port of the released app on 127.0.0.1"
}

app "web" {
  build {
    use "process" {
      command = ["go", "build", "-buildvcs=false", "-o", "bin/hello", "."]
      path    = "bin"

      # A static binary needs no C compiler to build and no libraries to run.
      env = {
        CGO_ENABLED = "0"
      }
    }
  }

  deploy {
    use "process" {
      command = ["./hello"]

      env = {
        APP       = app.name
        WORKSPACE = workspace.name
        VERSION   = gitrefpretty()
      }

      health_check {
        path = "/healthz"
      }
    }
  }

  release {
    use "process" {
      port = var.port
    }
  }
}
