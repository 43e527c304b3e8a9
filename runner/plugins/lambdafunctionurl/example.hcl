project = "shop"

app "api" {
  build {
    use "aws-ecr-pull" {
      region     = "eu-north-1"
      repository = "api"
      tag        = "1.4.2"
    }
  }

  deploy {
    use "aws-lambda" {
      region = "eu-north-1"
    }
  }

  release {
    use "lambda-function-url" {
      auth_type = "NONE"

      cors {
        allow_methods = ["GET", "POST"]
        allow_origins = ["https://shop.example.com"]
      }
    }
  }
}
