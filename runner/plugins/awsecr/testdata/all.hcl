project = "all"

app "web" {
  build {
    use "docker" {}
    registry {
      use "aws-ecr" {
        region     = "eu-north-1"
        repository = "web"
        tag        = artifact.tag
      }
    }
  }
  deploy {
    use "docker" {}
  }

}
