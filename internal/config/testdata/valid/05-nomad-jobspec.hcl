project = "nomad-nodejs"
variable "tag" { default = "t" }
app "nomad-nodejs-web" {
  build {
    use "pack" {}
    registry {
      use "docker" {
        image = "nodejs-example"
        tag   = try(gitref.missing, "y")
        local = true
      }
    }
  }
  deploy {
    use "nomad-jobspec" {
      jobspec = templatefile("${path.project}/files/job.nomad.tpl")
    }
  }
  release {
    use "nomad-jobspec-canary" {
      groups          = ["app"]
      fail_deployment = false
    }
  }
}
