project = "shop"

app "web" {
  build {
    use "docker-ref" {
      image = "ghcr.io/acme/web"
      tag   = "1.4.2"
    }
  }

  deploy {
    use "exec" {
      command = ["docker", "stack", "deploy", "-c", "<TPL>", "web"]

      template {
        path = "stack.yml.tpl"
      }
    }
  }
}
