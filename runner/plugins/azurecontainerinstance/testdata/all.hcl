project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "azure-container-instance" {
      resource_group   = "shop"
      location         = "northeurope"
      subscription_id  = "00000000-0000-0000-0000-000000000000"
      managed_identity = "web"
      ports            = [8080]
      capacity {
        memory    = 1024
        cpu_count = 1
      }
      volume {
        name      = "share"
        path      = "/data"
        read_only = true
        azure_file_share {
          name                 = "share"
          storage_account_name = "shop"
          storage_account_key  = "secret"
        }
      }
      volume {
        name = "source"
        path = "/source"
        git_repo {
          repository = "https://git.example.com/shop.git"
          revision   = "main"
          directory  = "shop"
        }
        secrets = { token = "secret" }
      }
      static_environment = { IMAGE = artifact.image }
    }
  }
  release {
    use "kubernetes" {
      annotations = { id = deploy.id, group = deploy.container_group, url = deploy.url }
    }
  }
}
