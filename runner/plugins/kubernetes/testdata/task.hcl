image_pull_policy = "Always"
image_secret      = "ghcr"
cpu {
  request = "100m"
  limit   = "200m"
}
memory {
  request = "64Mi"
  limit   = "128Mi"
}
ephemeral_storage {
  request = "1Gi"
  limit   = "2Gi"
}
security_context {
  run_as_user     = 1000
  run_as_group    = 1000
  run_as_non_root = true
  fs_group        = 1000
}
service_account                   = "runner"
namespace                         = "shop"
watchtask_startup_timeout_seconds = 60
kubeconfig                        = "/home/me/.kube/config"
context                           = "prod"
