project = "hello"

variable "port" {
  type        = number
  default     = 8787
  description = "Stable port of the released app on 127.0.0.1"
}

variable "version" {
  type        = string
  default     = "dev"
  description = "What the page shows as its version"
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
        VERSION   = var.version
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
