project = "all"

app "docker" {
  build {
    use "docker" {
      dockerfile         = templatefile("${path.app}/Dockerfile.tpl")
      context            = "."
      build_args         = { VERSION = "1" }
      buildkit           = true
      platform           = "linux/arm64"
      target             = "final"
      no_cache           = true
      disable_entrypoint = true
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
    registry {
      use "docker" {
        image        = "ghcr.io/acme/web"
        tag          = 7
        local        = false
        encoded_auth = base64encode(jsonencode({ username = "acme-bot", password = "secret" }))
        username     = "acme-bot"
        password     = "secret"
        insecure     = false
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
  }

  deploy {
    use "docker" {
      command            = ["serve", "--verbose"]
      scratch_path       = "/tmp"
      static_environment = { COLOUR = "blue" }
      service_port       = "8080"
      extra_ports        = [9090, "9091"]
      networks           = ["backend"]
      binds              = ["/srv/data:/data:ro"]
      labels             = { image = artifact.image, tag = artifact.tag, name = artifact.name }
      resources          = { memory = "512m", cpu = 100 }
      force_pull         = true
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
      client_config {
        host        = "tcp://10.0.0.5:2376"
        cert_path   = "/etc/docker"
        api_version = "1.47"
      }
    }
  }

  release {
    use "docker" {
      port = "8443"
    }
  }
}
