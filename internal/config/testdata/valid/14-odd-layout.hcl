/* comments of every kind */
variable "encoded_auth" { 
  type = string 
  default = ""
  sensitive = true
}
app "web" {
  deploy {
    use "exec" {
      command = ["docker", "run", "${artifact.image}:${artifact.tag}", jsonencode(artifact)]
      template { path = "x" }
    }
  }
  // build after deploy
  build {
    registry {
      use "docker" {
        encoded_auth = base64encode(jsonencode({ "username" : "u", "password" : "p" }))
        image = "x" # trailing
        tag = <<EOT
multi
EOT
      }
    }
    use "docker" { 
      build_args { 
        A = "1"
        B = 2
      } 
    }
  }
}
plugin "acme" {
  checksum = "abc"
  type {
    deploy = true
  }
}
project = "odd"
