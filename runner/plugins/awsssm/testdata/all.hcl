project = "all"

config {
  env = {
    VALUE = dynamic("aws-ssm", {
      path = "/shop/web"
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
