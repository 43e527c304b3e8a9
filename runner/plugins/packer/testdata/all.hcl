project = "all"

config {
  env = {
    OLDER = dynamic("packer", {
      bucket         = "web"
      channel        = "production"
      region         = "eu-north-1"
      cloud_provider = "aws"
    })
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
