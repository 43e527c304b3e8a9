project = "x"
runner {
  env = { A = "1" }
  profile {}
  plugin {}
  data_source "git" {
    url = "https://example.com/x.git"
    poll {}
    branch = "main"
  }
}
config {
  config_source = "vault"
  enviroment    = {}
}
app "web" {
  build {
    use "pack" {}
  }
  deploy {
    static_environment = { A = 1 }
    use "docker" {}
    rubbish {}
  }
}
