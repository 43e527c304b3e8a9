project = "all"

app "kubernetes" {
  config {
    env = {
      PASSWORD = dynamic("kubernetes", {
        name      = "database"
        key       = "password"
        secret    = "true"
        namespace = "shop"
      })
    }
  }

  build {
    use "docker" {}
  }

  deploy {
    use "kubernetes" {
      replicas     = 2
      service_port = 8080
      ports        = [{ port = 8080, name = "http" }, { port = "9090" }]
      port {
        name      = "admin"
        port      = 9091
        host_port = 9091
        host_ip   = "0.0.0.0"
        protocol  = "tcp"
      }
      probe {
        initial_delay     = 1
        timeout           = 2
        failure_threshold = 3
      }
      probe_path = "/healthz"
      cpu {
        request = "100m"
        limit   = "200m"
      }
      memory {
        request = "64Mi"
        limit   = "128Mi"
      }
      resources = { limits_gpu = "1" }
      autoscale {
        min_replicas = 2
        max_replicas = 5
        cpu_percent  = "50"
      }
      pod {
        container {
          name = "extra"
          port {
            name      = "metrics"
            port      = 9090
            host_port = 9090
            host_ip   = "0.0.0.0"
            protocol  = "tcp"
          }
          probe {
            initial_delay     = 1
            timeout           = 2
            failure_threshold = 3
          }
          probe_path = "/healthz"
          cpu {
            request = "100m"
            limit   = "200m"
          }
          memory {
            request = "64Mi"
            limit   = "128Mi"
          }
          resources          = { limits_gpu = "1" }
          command            = ["serve"]
          args               = ["--verbose"]
          static_environment = { COLOUR = "blue" }
        }
        sidecar {
          image = "envoyproxy/envoy:v1.36.0"
          container {
            name = "extra"
            port {
              name      = "metrics"
              port      = 9090
              host_port = 9090
              host_ip   = "0.0.0.0"
              protocol  = "tcp"
            }
            probe {
              initial_delay     = 1
              timeout           = 2
              failure_threshold = 3
            }
            probe_path = "/healthz"
            cpu {
              request = "100m"
              limit   = "200m"
            }
            memory {
              request = "64Mi"
              limit   = "128Mi"
            }
            resources          = { limits_gpu = "1" }
            command            = ["serve"]
            args               = ["--verbose"]
            static_environment = { COLOUR = "blue" }
          }
          name = "extra"
          port {
            name      = "metrics"
            port      = 9090
            host_port = 9090
            host_ip   = "0.0.0.0"
            protocol  = "tcp"
          }
          probe {
            initial_delay     = 1
            timeout           = 2
            failure_threshold = 3
          }
          probe_path = "/healthz"
          cpu {
            request = "100m"
            limit   = "200m"
          }
          memory {
            request = "64Mi"
            limit   = "128Mi"
          }
          resources          = { limits_gpu = "1" }
          command            = ["serve"]
          args               = ["--verbose"]
          static_environment = { COLOUR = "blue" }
        }
        security_context {
          run_as_user     = 1000
          run_as_group    = 1000
          run_as_non_root = true
          fs_group        = 1000
        }
      }
      image_secret       = "ghcr"
      service_account    = "web"
      scratch_path       = ["/tmp"]
      static_environment = { IMAGE = artifact.image }
      labels             = { tier = "front" }
      annotations        = { "example.com/owner" = "shop" }
      namespace          = "shop"
      kubeconfig         = "/home/me/.kube/config"
      context            = "prod"
    }
  }

  release {
    use "kubernetes" {
      ingress "http" {
        default     = true
        host        = "shop.example.com"
        path        = "/"
        path_type   = "Prefix"
        annotations = { "kubernetes.io/ingress.class" = "nginx" }
        tls {
          hosts       = ["shop.example.com"]
          secret_name = "tls"
        }
      }
      load_balancer = true
      port          = 80
      node_port     = 30080
      ports         = [{ port = "80", target_port = "8080" }]
      annotations   = { id = deploy.id, name = deploy.name }
      namespace     = "shop"
      kubeconfig    = "/home/me/.kube/config"
      context       = "prod"
    }
  }
}
