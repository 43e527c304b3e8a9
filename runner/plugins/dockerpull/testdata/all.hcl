project = "all"

app "docker-pull" {
  build {
    use "docker-pull" {
      image              = "ghcr.io/acme/web"
      tag                = "1"
      disable_entrypoint = true
      encoded_auth       = filebase64("${path.app}/auth.json")
      auth {
        hostname      = "ghcr.io"
        username      = "acme-bot"
        password      = "secret"
        email         = "bot@example.com"
        auth          = "YWNtZS1ib3Q6c2VjcmV0"
        serverAddress = "https://ghcr.io"
        identityToken = "token"
        registryToken = "token"
      }
    }
  }
  deploy {
    use "docker" {}
  }
}
