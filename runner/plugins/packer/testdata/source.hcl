organization_id = "id"
project_id      = "id"
client_id       = "id"
client_secret   = "secret"
