project = "x"
variable "a" {}
variable "a" {}
app "web" {
  build {
    use "pack" {}
    use "docker" {}
  }
  build {
    use "pack" {}
  }
  deploy {
    use "docker" {}
    workspace "w" {
      use "a" {}
    }
    workspace "w" {
      use "b" {}
    }
  }
}
app "web" {
  build {
    use "pack" {}
  }
  deploy {
    use "docker" {}
  }
}
