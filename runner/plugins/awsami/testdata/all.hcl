project = "all"

app "web" {
  build {
    use "aws-ami" {
      region  = "eu-north-1"
      owners  = ["self", "amazon"]
      name    = "web-*"
      filters = { "tag:app" = ["web"] }
    }
  }
  deploy {
    use "docker" {
      labels = { ami = artifact.image }
    }
  }

}
