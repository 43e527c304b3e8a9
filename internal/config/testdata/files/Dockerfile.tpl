FROM ${base}
LABEL app=${app.name} tag=${var.tag}
