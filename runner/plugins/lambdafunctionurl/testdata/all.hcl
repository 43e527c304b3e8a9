project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "aws-lambda" {}
  }
  release {
    use "lambda-function-url" {
      auth_type = "AWS_IAM"
      principal = "123456789012"
      cors {
        allow_credentials = true
        allow_headers     = ["x-token"]
        allow_methods     = ["GET"]
        allow_origins     = ["https://shop.example.com"]
        expose_headers    = ["x-id"]
        max_age           = 3600
      }
    }
  }
}
