project = "pipes"
pipeline "release" {
  step "build" {
    use "build" { disable_push = false }
  }
  step "test" {
    image_url = "localhost:5000/waypoint-odr:dev"
    depends_on = ["build"]
    use "exec" {
      command = "go"
      args    = ["test", "./..."]
    }
  }
  step "to-prod" {
    workspace = "production"
    pipeline "prod" {
      step "deploy" {
        use "deploy" {}
      }
      step "release" {
        use "release" { 
          prune = true
          prune_retain = 2
        }
      }
    }
  }
  step "again" {
    use "pipeline" {
      project = "pipes"
      name    = "prod"
    }
  }
}
app "web" {
  build { 
    use "pack" {}
  }
  deploy { 
    use "docker" {} 
  }
}
