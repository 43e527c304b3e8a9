project = "x"
app "web" {
  build {
    workspace "prod" {
      use "docker" {}
    }
  }
  deploy {
    label "env = prod" {
      use "docker" {}
    }
    workspace "dev" {
      hook {
        when = "before"
      }
    }
    use "docker" {}
  }
}
