project = "shop"

app "web" {
  build {
    use "docker" {}
    registry {
      use "docker" {
        image = "ghcr.io/acme/web"
        tag   = gitrefpretty()
      }
    }
  }

  deploy {
    use "helm" {
      name      = "web"
      chart     = "${path.app}/chart"
      namespace = "shop"
      values    = [file(templatefile("${path.app}/values.yaml.tpl"))]

      set {
        name  = "image.tag"
        value = artifact.tag
      }
    }
  }
}
