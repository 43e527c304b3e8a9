networks           = ["backend"]
labels             = { kind = "task" }
binds              = ["/var/run/docker.sock:/var/run/docker.sock"]
static_environment = { COLOUR = "blue" }
force_pull         = true
debug_containers   = true
resources {
  cpu    = 100
  memory = "512m"
}
client_config {
  host        = "tcp://10.0.0.5:2376"
  cert_path   = "/etc/docker"
  api_version = "1.47"
}
