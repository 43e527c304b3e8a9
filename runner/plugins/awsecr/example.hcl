project = "shop"

app "web" {
  build {
    use "pack" {}
    registry {
      use "aws-ecr" {
        region     = "eu-north-1"
        repository = "web"
        tag        = gitrefpretty()
      }
    }
  }

  deploy {
    use "aws-ecs" {
      region = "eu-north-1"
      memory = 512
    }
  }
}
