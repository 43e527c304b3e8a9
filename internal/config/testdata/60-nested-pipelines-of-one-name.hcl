project = "shop"
app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "docker" {}
  }
  release {
    use "" {}
  }
}
pipeline "a" {
  step "s" {
    pipeline "inner" {
      step "b" {
        use "build" {}
      }
    }
  }
}
pipeline "b" {
  step "s" {
    pipeline "inner" {
      step "d" {
        use "deploy" {}
      }
    }
  }
}
