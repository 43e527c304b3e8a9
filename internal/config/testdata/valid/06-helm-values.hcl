project = "helm"
app "web" {
  build {
    use "docker-ref" {
      image = "ghcr.io/acme/web"
      tag   = 1
    }
  }
  deploy {
    use "helm" {
      name  = app.name
      chart = "${path.app}/helm"
      values = [
        file(templatefile("${path.project}/files/values.yaml.tpl", { count = 3 })),
      ]
      set {
        name  = "deployment.image"
        value = artifact.name
      }
      set {
        name  = "x"
        value = 1
      }
    }
  }
}
