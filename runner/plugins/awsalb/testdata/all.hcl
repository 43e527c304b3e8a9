project = "all"

app "web" {
  build {
    use "aws-ami" {
      region = "eu-north-1"
    }
  }
  deploy {
    use "aws-lambda" {}
  }
  release {
    use "aws-alb" {
      name               = "shop"
      port               = 8443
      subnets            = ["subnet-1", "subnet-2"]
      certificate        = "arn:aws:acm:eu-north-1:123456789012:certificate/1"
      zone_id            = "Z1"
      domain_name        = "shop.example.com"
      listener_arn       = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:listener/app/shop/1/1"
      security_group_ids = ["sg-1"]
    }
  }
}
