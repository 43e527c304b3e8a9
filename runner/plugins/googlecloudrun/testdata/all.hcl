project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "google-cloud-run" {
      project  = "acme"
      location = "europe-north1"
      port     = "8080"
      capacity {
        memory                     = 256
        cpu_count                  = 1
        max_requests_per_container = 10
        request_timeout            = 30
      }
      auto_scaling {
        max = 5
      }
      service_account_name = "web@acme.iam.gserviceaccount.com"
      unauthenticated      = true
      vpc_access {
        connector = "shop"
        egress    = "all"
      }
      cloudsql_instances = ["acme:europe-north1:shop"]
      static_environment = { IMAGE = artifact.image }
    }
  }
  release {
    use "google-cloud-run" {}
  }
}
