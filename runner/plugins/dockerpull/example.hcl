project = "shop"

app "cache" {
  build {
    use "docker-pull" {
      image              = "redis"
      tag                = "8"
      disable_entrypoint = true
    }
  }

  deploy {
    use "docker" {
      service_port = 6379
    }
  }
}
