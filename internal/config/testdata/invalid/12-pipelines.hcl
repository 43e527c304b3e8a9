project = "x"
pipeline "empty" {
}
pipeline "p" {
  step "a" {
    depends_on = ["b"]
    use "up" {}
  }
  step "b" {
    depends_on = ["a"]
    use "biuld" {}
  }
  step "c" {
    depends_on = ["d"]
    use "exec" {}
    pipeline "p" {
      step "x" {
        pipeline "deep" {
          step "y" {
            use "up" {}
          }
        }
      }
    }
  }
  step "c" {
  }
}
