project = "shop"

app "web" {
  build {
    use "docker" {}
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
      region       = "eu-north-1"
      cluster      = "shop"
      memory       = 512
      count        = 2
      service_port = 8080

      alb {
        certificate = "arn:aws:acm:eu-north-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      }
    }
  }
}
