project = "types"
variable "versions" {
  type = object({
    product-api = string
    replicas    = optional(number, 2)
  })
  default = { product-api = "v1" }
}
variable "anything" {
  type    = any
  default = { a = [1, "x", true] }
}
variable "m" {
  type    = map(list(number))
  default = { a = [1.5, "2"] }
}
variable "flag" {
  type    = bool
  default = "true"
}
variable "s" {
  type    = set(string)
  default = ["b", "a", "b"]
}
variable "bare" {
  type    = list
  default = []
}
variable "secret" {
  type    = string
  default = dynamic("vault", { path = "p", key = "k" })
}
app "web" {
  build {
    use "docker" {
      build_args = {
        api   = var.versions.product-api
        n     = var.versions["replicas"]
        first = var.m["a"][0]
        all   = jsonencode([for x in var.s : upper(x)])
        splat = join(",", [{ n = "x" }, { n = "y" }][*].n)
      }
    }
  }
  deploy {
    use "null" {}
  }
}
