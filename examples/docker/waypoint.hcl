project = "docker"

variable "port" {
  type        = number
  default     = 8788
  description = "Stable port of the released app on 127.0.0.1"
}

app "web" {
  build {
    # The program is compiled here, and the image is made around it: a static binary needs nothing else.
    hook {
      when    = "before"
      command = ["env", "CGO_ENABLED=0", "GOOS=linux", "go", "build", "-buildvcs=false", "-trimpath", "-o", "hello", "."]
    }

    use "docker" {}
  }

  deploy {
    use "docker" {
      service_port = 8080

      static_environment = {
        APP       = app.name
        WORKSPACE = workspace.name
      }
    }
  }

  release {
    use "docker" {
      port = var.port
    }
  }
}
