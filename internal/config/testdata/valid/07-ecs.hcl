project = "ecs"
variable "region" { 
  type = string 
  default = "eu-west-1"
}
variable "subnets" {
  type = list(string)
  default = ["subnet-1", "subnet-2"]
}
app "web" {
  build {
    use "pack" {}
    registry {
      use "aws-ecr" {
        region     = var.region
        repository = "web"
        tag        = "latest"
      }
    }
  }
  deploy {
    use "aws-ecs" {
      region  = var.region
      memory  = "512"
      count   = 2
      subnets = var.subnets
      secrets = {
        "TOKEN" = "arn:aws:ssm:${var.region}:1:parameter/t"
      }
      alb {
        certificate = null
        subnets     = [var.subnets[0]]
      }
      logging {
        create_group = true
      }
    }
  }
}
