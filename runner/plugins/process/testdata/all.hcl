project = "all"

app "web" {
  build {
    use "process" {
      command = ["make"]
      dir     = "src"
      env     = { COLOUR = "blue" }
      path    = "bin"
    }
  }
  deploy {
    use "process" {
      command = ["./web"]
      env     = { COLOUR = "blue" }
      health_check {
        path     = "/healthz"
        timeout  = "30s"
        interval = "1s"
      }
      port         = 3000
      stop_timeout = "10s"
      restart      = true
    }
  }
  release {
    use "process" {
      port = 8080
    }
  }
}
