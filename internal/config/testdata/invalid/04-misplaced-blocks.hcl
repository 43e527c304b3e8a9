project = "x"
deploy {
  use "docker" {}
}
hook {
  when    = "before"
  command = ["x"]
}
task {
  use "docker" {}
}
app "web" {
  variable "v" {}
  registry {
    use "docker" {}
  }
  workspace "prod" {
    build {
      use "docker" {}
    }
  }
  app "inner" {}
  build {
    use "docker" {
      registry {
        use "docker" {}
      }
    }
    config {}
    registry {
      use "docker" {}
      registry {}
    }
  }
  deploy {
    use "docker" {}
  }
}
pipeline "p" {
  pipeline "q" {}
  step "s" {
    use "up" {}
  }
}
