project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "kubernetes-apply" {
      path            = templatedir("${path.app}/k8s")
      prune_label     = "app=web"
      prune_allowlist = ["apps/v1/Deployment"]
      prune_whitelist = ["apps/v1/Deployment"]
      kubeconfig      = "/home/me/.kube/config"
      context         = "prod"
    }
  }

}
