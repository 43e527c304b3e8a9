project = "shop"

app "web" {
  build {
    use "docker-ref" {
      image = "ghcr.io/acme/web"
      tag   = "1.4.2"
    }
  }

  deploy {
    use "exec" {
      command = ["./deploy.sh", "${artifact.image}:${artifact.tag}"]
    }
  }
}
