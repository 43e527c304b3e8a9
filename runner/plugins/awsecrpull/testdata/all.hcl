project = "all"

app "web" {
  build {
    use "aws-ecr-pull" {
      region             = "eu-north-1"
      repository         = "web"
      tag                = 7
      force_architecture = "arm64"
      disable_entrypoint = true
    }
  }
  deploy {
    use "docker" {}
  }

}
