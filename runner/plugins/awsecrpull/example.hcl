project = "shop"

app "web" {
  build {
    use "aws-ecr-pull" {
      region     = "eu-north-1"
      repository = "web"
      tag        = "1.4.2"
    }
  }

  deploy {
    use "aws-lambda" {
      region = "eu-north-1"
    }
  }

  release {
    use "lambda-function-url" {}
  }
}
