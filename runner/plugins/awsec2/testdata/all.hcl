project = "all"

app "web" {
  build {
    use "aws-ami" {
      region = "eu-north-1"
    }
  }
  deploy {
    use "aws-ec2" {
      region        = "eu-north-1"
      instance_type = "t3.small"
      service_port  = 8080
      count {
        desired = 2
        max     = 4
        min     = 1
      }
      key             = "me"
      extra_ports     = [9090]
      security_groups = ["sg-1"]
      subnet          = "subnet-1"
    }
  }
  release {
    use "kubernetes" {
      annotations = {
        ip    = deploy.public_ip, dns = deploy.public_dns, region = deploy.region, name = deploy.service_name
        group = deploy.target_group_arn
      }
    }
  }
}
