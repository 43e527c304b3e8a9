project = "x"
variable "password" {
  type      = string
  sensitive = true
  default   = "hunter2hunter2"
}
app "web" {
  build {
    use "null" {
      a = parseint(var.password, 10)
      b = file(var.password)
      c = tonumber(base64encode(var.password))
      d = var.password.field
      e = { "x" = 1 }[var.password]
      f = templatestring("$${nonsense(var.password)}")
      g = jsondecode("{hunter2hunter2")
    }
  }
  deploy {
    use "docker" {}
  }
}
