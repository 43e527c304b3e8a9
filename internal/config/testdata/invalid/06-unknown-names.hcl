project = "x"
variable "image_tag" { default = "x" }
app "web" {
  path = path.app
  build {
    use "docker" {
      dockerfile = "${path.apps}/Dockerfile"
      build_args = {
        A = "${VERSION}"
        B = var.image_tga
        C = latest
        D = artifact.image
        E = workspace.nmae
        F = app.kubernetes.io/name
      }
    }
  }
  deploy {
    use "docker" {
      x = deploy.url
      y = upcase("x")
      z = dynamic("vault", {})
    }
  }
}
