project = "scoped"
variable "tag" { default = "t" }
app "web" {
  labels = { env = "dev" }
  build {
    use "docker" {}
    workspace "prod" {
      use "pack" { builder = "heroku/buildpacks:20" }
    }
    registry {
      use "docker" { 
        image = "a" 
        tag = "b"
      }
      workspace "prod" {
        use "aws-ecr" { 
          region = "eu" 
          tag = artifact.tag
        }
      }
      label "env == \"dev\"" {
        use "null" {}
      }
    }
  }
  deploy {
    labels = { "stage" = "deploy" }
    use "docker" {}
    label "env == \"dev\"" {
      use "exec" { command = ["echo", labels["env"]] }
    }
    label "env == \"dev\" and stage == \"deploy\"" {
      use "null" { values = labels }
    }
    workspace "prod" {
      hook {
        when = "before"
        command = ["true"]
      }
      use "kubernetes" {}
    }
  }
  release {
    workspace "prod" {
      use "kubernetes" { port = 80 }
    }
  }
}
