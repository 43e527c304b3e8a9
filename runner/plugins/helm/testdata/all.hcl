project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "helm" {
      name       = "web"
      chart      = "web"
      repository = "https://charts.example.com"
      version    = "~1.2"
      devel      = true
      values     = [file(templatefile("${path.app}/values.yaml.tpl"))]
      set {
        name  = "image.tag"
        value = artifact.tag
        type  = "string"
      }
      set {
        name  = "replicas"
        value = 2
      }
      driver           = "secret"
      namespace        = "shop"
      create_namespace = true
      skip_crds        = true
      kubeconfig       = "/home/me/.kube/config"
      context          = "prod"
    }
  }
  release {
    use "kubernetes" {
      annotations = { release = deploy.release }
    }
  }
}
