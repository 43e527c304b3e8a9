project = "microservices"
runner {
  enabled = true
  profile = "k8s-${workspace.name}"
  data_source "git" {
    url  = "https://git.example.com/team/microservices.git"
    ref  = workspace.name == "prod" ? "main" : "develop"
    path = "deploy"
    ignore_changes_outside_path = true
  }
  poll {
    enabled  = true
    interval = "1m"
  }
}
app "frontend" {
  path = "./frontend"
  build {
    hook {
      when    = "before"
      command = ["make", "deps", "APP=${app.name}"]
    }
    hook {
      when       = "after"
      command    = ["notify", path.app]
      on_failure = "continue"
    }
    use "docker" {
      context    = path.app
      dockerfile = "${path.app}/Dockerfile"
    }
  }
  deploy {
    use "docker" {}
  }
}
app "backend" {
  path = "backend"
  runner { profile = "special" }
  build {
    use "docker-pull" {
      image = "postgres"
      tag   = "15"
    }
  }
  deploy {
    use "docker" { service_port = 5432 }
    hook {
      when    = "after"
      command = ["./smoke.sh"]
    }
  }
  release {}
}
