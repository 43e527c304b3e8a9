project = "all"

app "docker-ref" {
  build {
    use "docker-ref" {
      image = "ghcr.io/acme/web"
      tag   = 1
    }
  }
  deploy {
    use "docker" {
      command = [artifact.image, artifact.tag, artifact.name, artifact.architecture, artifact.location]
    }
  }
}
