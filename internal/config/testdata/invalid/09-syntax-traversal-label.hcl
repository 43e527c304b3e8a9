project = "x"
app var.name {
}
