project = "configured"
variable "db_password" {
  type      = string
  sensitive = true
  default   = "s3cr3t-value"
}
config {
  env = {
    REGION = "eu"
  }
  internal = { shared = "yes" }
}
app "web" {
  build {
    use "pack" {}
  }
  deploy {
    use "docker" {}
  }
  url { auto_hostname = false }
  config {
    file_change_signal = "SIGHUP"
    internal = {
      user = dynamic("vault", {
        path = "database/creds/web"
        key  = "username"
      })
      greeting = "hello"
    }
    env = {
      "FROM_FILE"  = file("${path.project}/files/manifests/app.yaml")
      DATABASE_URL = "postgres://${config.internal.user}:${var.db_password}@db/${lower(app.name)}"
      GREETING     = "${config.internal.greeting}, ${config.env.NAME}"
      NAME         = app.name
      SHARED       = config.internal.shared
      KUBE         = configdynamic("kubernetes", { name = "secret", key = "k", secret = true })
      FROM_SERVER  = config.env.SET_ELSEWHERE
    }
    file = {
      "app.ini" = <<-EOT
        user=${config.internal.user}
        list=${join(",", [for n in ["a", "b"] : upper(n)])}
      EOT
    }
    workspace "prod" {
      env = { NAME = "${app.name}-prod" }
      label "env == \"x\"" {
        env = { LABELLED = "1" }
      }
    }
    runner {
      env = { AWS_REGION = "eu" }
    }
  }
}
