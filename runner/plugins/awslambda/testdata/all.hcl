project = "all"

app "web" {
  build {
    use "docker" {}
  }
  deploy {
    use "aws-lambda" {
      region             = "eu-north-1"
      iam_role           = "arn:aws:iam::123456789012:role/web"
      memory             = 512
      timeout            = 30
      architecture       = "arm64"
      storagemb          = 1024
      static_environment = { IMAGE = artifact.image }
    }
  }
  release {
    use "kubernetes" {
      annotations = {
        function = deploy.func_arn, arn = deploy.ver_arn, version = deploy.version, region = deploy.region
        group    = deploy.target_group_arn
      }
    }
  }
}
