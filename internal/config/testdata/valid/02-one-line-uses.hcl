project = "one-line"
app "web" {
  labels = { "service" = "web", "env" = "dev" }
  build { 
    use "pack" {}
  }
  deploy { 
    use "docker" {} 
  }
}
