project = "x"
variable "a" {
  type    = strin
  default = "x"
}
variable "b" {
  type    = number
  default = "many"
}
variable "c" {
  type    = object({ n = number })
  default = { n = "x" }
}
variable "d" {
  sensitve = true
}
variable "e" {
  type      = number
  sensitive = true
  default   = "topsecretvalue"
}
variable "f" {
  default = var.a
}
