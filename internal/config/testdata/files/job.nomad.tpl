job "${app.name}" {
  datacenters = ["dc1"]
  group "app" {
    task "server" {
      driver = "docker"
      config {
        image = "${artifact.image}:${artifact.tag}"
      }
      env {
        %{ for k,v in entrypoint.env ~}
        ${k} = "${v}"
        %{ endfor ~}
        LITERAL = "$${NOMAD_PORT}"
      }
    }
  }
}
