project = "x"
labels = { "waypoint/x" = "1" }
app "web" {
  path = "../other"
  build {
    hook {
      when       = "during"
      command    = "make all"
      on_failure = "ignore"
    }
    use "docker" {
      dockerfile = file("files/dockerfile.md")
      x          = { "default" = 1 }["staging"]
      y          = [1, 2][5]
      z          = "a" + 1
      t          = templatestring("$${nope}")
      u          = regex("(", "x")
    }
  }
  deploy {
    use "docker" {
      missing = artifact.nope
    }
  }
}
runner {
  enabled = "maybe"
  poll {
    interval = "often"
  }
  data_source "git" {
    path = "../x"
    url  = "u"
  }
}
