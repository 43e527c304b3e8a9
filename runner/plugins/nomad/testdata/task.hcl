datacenter       = "dc1"
namespace        = "shop"
region           = "global"
nomad_host       = "http://nomad.example.com:4646"
resources_cpu    = 200
resources_memory = "2000"
