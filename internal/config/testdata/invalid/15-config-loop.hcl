project = "x"
app "web" {
  build {
    use "pack" {}
  }
  deploy {
    use "docker" {}
  }
  config {
    internal = {
      a = config.internal.b
      b = "${config.internal.c}!"
      c = config.internal.a
      c = "twice"
    }
    env = {
      WHOLE = "x-${dynamic("vault", {})}"
      LIST  = ["a"]
    }
  }
}
