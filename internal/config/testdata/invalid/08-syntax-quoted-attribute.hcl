project = "x"
app "web" {
  "labels" = {}
}
