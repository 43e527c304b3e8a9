project = "all"

app "pack" {
  build {
    use "pack" {
      builder            = "heroku/builder:24"
      buildpacks         = ["heroku/nodejs"]
      process_type       = "web"
      static_environment = { BP_NODE_VERSION = "24.*" }
      ignore             = ["*.log"]
      disable_entrypoint = true
    }
  }
  deploy {
    use "docker" {
      labels = merge(artifact.build_labels, { remote = artifact.remote, name = artifact.name, arch = artifact.architecture })
    }
  }
}
