project = "all"

config {
  env = {
    VALUE = dynamic("consul", {
      key         = "shop/web"
      namespace   = "shop"
      partition   = "default"
      datacenter  = "dc1"
      allow_stale = true
    })
  }
}

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "docker" {}
  }
}
