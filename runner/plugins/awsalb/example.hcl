project = "shop"

app "web" {
  build {
    use "aws-ami" {
      region = "eu-north-1"
      name   = "web-*"
    }
  }

  deploy {
    use "aws-ec2" {
      region        = "eu-north-1"
      instance_type = "t3.small"
      service_port  = 8080
    }
  }

  release {
    use "aws-alb" {
      certificate = "arn:aws:acm:eu-north-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      zone_id     = "Z0123456789ABCDEFGHIJ"
      domain_name = "shop.example.com"
    }
  }
}
