project = "shop"

app "web" {
  build {
    use "aws-ami" {
      region = "eu-north-1"
      owners = ["self"]
      filters = {
        "tag:app" = ["web"]
      }
    }
  }

  deploy {
    use "aws-ec2" {
      region        = "eu-north-1"
      instance_type = "t3.small"
      service_port  = 8080
    }
  }
}
