project = "x"
app "web" {
  build {
    use "exec" {
      command = ["a" "b"]
    }
  }
}
