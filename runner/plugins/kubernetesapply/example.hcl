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
    use "kubernetes-apply" {
      # In the templates: ${artifact.image}:${artifact.tag}, and entrypoint.env for the container's environment.
      path        = templatedir("${path.app}/k8s")
      prune_label = "app=web"
    }
  }
}
