project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "exec" {
      command    = ["./deploy.sh", artifact.image]
      dir        = "scripts"
      rerunnable = true
      url        = "https://shop.example.com"
      template {
        path = "a.tpl"
      }
      template {
        path = "b.tpl"
      }
    }
  }

}
