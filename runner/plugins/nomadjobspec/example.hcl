project = "shop"

app "web" {
  build {
    use "docker" {}
    registry {
      use "docker" {
        image = "registry.example.com/web"
        tag   = gitrefpretty()
      }
    }
  }

  deploy {
    use "nomad-jobspec" {
      # In the template: ${artifact.image}:${artifact.tag}, and entrypoint.env for the task's environment.
      jobspec = templatefile("${path.app}/web.nomad.tpl")
    }
  }
}
