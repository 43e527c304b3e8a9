project = "all"

config {
  env = {
    VALUE = dynamic("terraform-cloud", {
      organization = "acme"
      workspace    = "network"
      output       = "host"
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
