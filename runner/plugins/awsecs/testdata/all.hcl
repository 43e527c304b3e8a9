project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "aws-ecs" {
      cluster               = "shop"
      region                = "eu-north-1"
      subnets               = ["subnet-1", "subnet-2"]
      security_group_ids    = ["sg-1"]
      execution_role_name   = "ecs-execution"
      task_role_name        = "web"
      task_role_policy_arns = ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
      count                 = 2
      memory                = "512"
      memory_reservation    = 256
      cpu                   = 256
      architecture          = "arm64"
      service_port          = 8080
      assign_public_ip      = false
      ec2_cluster           = true
      disable_alb           = false
      alb {
        certificate        = "arn:aws:acm:eu-north-1:123456789012:certificate/1"
        zone_id            = "Z1"
        domain_name        = "shop.example.com"
        load_balancer_arn  = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/shop/1"
        listener_arn       = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:listener/app/shop/1/1"
        internal           = true
        ingress_port       = 8443
        subnets            = ["subnet-1", "subnet-2"]
        security_group_ids = ["sg-2"]
      }
      sidecar {
        name               = "envoy"
        image              = "envoyproxy/envoy:v1.36.0"
        container_port     = 9901
        host_port          = 9901
        protocol           = "tcp"
        memory             = 128
        memory_reservation = 64
        health_check {
          command      = ["CMD", "true"]
          interval     = 30
          timeout      = 5
          retries      = 3
          start_period = 10
        }
        secrets            = { TOKEN = "arn:aws:ssm:eu-north-1:123456789012:parameter/token" }
        static_environment = { COLOUR = "blue" }
      }
      log_group = "shop"
      logging {
        create_group      = true
        region            = "eu-north-1"
        stream_prefix     = "web"
        datetime_format   = "%Y"
        multiline_pattern = "^INFO"
        mode              = "non-blocking"
        max_buffer_size   = "4m"
      }
      health_check {
        protocol                  = "HTTP"
        path                      = "/healthz"
        timeout                   = 5
        interval                  = 30
        healthy_threshold_count   = 2
        unhealthy_threshold_count = 2
        http_code                 = 200
        grpc_code                 = "0-99"
      }
      secrets                       = { TOKEN = "arn:aws:ssm:eu-north-1:123456789012:parameter/token" }
      static_environment            = { IMAGE = artifact.image }
      target_group_protocol         = "HTTP"
      target_group_protocol_version = "HTTP2"
    }
  }
  release {
    use "kubernetes" {
      annotations = {
        cluster  = deploy.cluster, service = deploy.service_arn, task = deploy.task_arn, group = deploy.target_group_arn
        listener = deploy.listener_arn, balancer = deploy.load_balancer_arn, url = deploy.url
      }
    }
  }
}
