project = "shop"

variable "image" {
  type = string
  default = dynamic("packer", {
    bucket  = "web"
    channel = "production"
    region  = "eu-north-1"
    cloud   = "aws"
  })
}

app "web" {
  build {
    use "aws-ami" {
      region  = "eu-north-1"
      filters = { "image-id" = [var.image] }
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
