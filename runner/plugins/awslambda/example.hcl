project = "shop"

app "web" {
  build {
    use "docker" {
      buildkit = true
      platform = "linux/arm64"
    }
    registry {
      use "aws-ecr" {
        region     = "eu-north-1"
        repository = "web"
        tag        = gitrefpretty()
      }
    }
  }

  deploy {
    use "aws-lambda" {
      region       = "eu-north-1"
      memory       = 512
      architecture = "arm64"
    }
  }

  release {
    use "lambda-function-url" {}
  }
}
