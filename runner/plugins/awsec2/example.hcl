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

      count {
        min     = 2
        desired = 2
        max     = 4
      }
    }
  }

  release {
    use "aws-alb" {}
  }
}
