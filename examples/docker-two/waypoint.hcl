project = "docker-two"

# The project's apps have this in common.
config {
  env = {
    GREETING = "hello from ${workspace.name}"
  }
}

app "front" {
  path = "./front"

  build {
    hook {
      when    = "before"
      command = ["env", "CGO_ENABLED=0", "GOOS=linux", "go", "-C", path.app, "build", "-buildvcs=false", "-trimpath", "-o", "front", "."]
    }

    use "docker" {}
  }

  deploy {
    use "docker" {
      service_port = 8080
      labels       = { tier = "front" }
    }
  }
}

app "back" {
  path = "./back"

  build {
    hook {
      when    = "before"
      command = ["env", "CGO_ENABLED=0", "GOOS=linux", "go", "-C", path.app, "build", "-buildvcs=false", "-trimpath", "-o", "back", "."]
    }

    use "docker" {}
  }

  deploy {
    use "docker" {
      service_port = 9090
      resources = {
        memory = "128m"
      }
    }
  }
}
