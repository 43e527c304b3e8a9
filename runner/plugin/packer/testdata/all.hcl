project = "all"

config {
  env = {
    VALUE = dynamic("packer", {
      bucket  = "web"
      channel = "production"
      region  = "eu-north-1"
      cloud   = "aws"
    })
  }
}

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "docker" {}
  }
}
