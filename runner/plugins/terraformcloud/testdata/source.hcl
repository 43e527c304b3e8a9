token            = "token"
base_url         = "https://tfe.example.com"
refresh_interval = "10m"
skip_verify      = false
