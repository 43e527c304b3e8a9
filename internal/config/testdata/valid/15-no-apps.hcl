project = "empty"
variable "a" {}
