project = "shop"
app "web" {
<<<<<<< HEAD
  config {}
=======
  url {}
>>>>>>> main
  build {
    use "docker" {}
  }
  deploy {
    use "docker" {

    }
  }
}
