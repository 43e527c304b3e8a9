project = "functions"
app "web" {
  build {
    use "null" {
      a = tonumber("42") + length("héllo")
      b = coalesce("", "x")
      c = lookup({ a = 1 }, "b", 2)
      d = can(nope.x) ? "no" : "yes"
      e = base64decode(base64encode("abc"))
      f = sha256("x")
      g = regex("v([0-9]+)", "v12")[0]
      h = trimprefix("refs/heads/main", "refs/heads/")
      i = yamldecode("a: [1, 2]").a[1]
      j = selectormatch({ env = "prod" }, "env == \"prod\"")
      k = selectorlookup({ env = "prod" }, { "env == \"dev\"" = 1, "env == \"prod\"" = 2 }, 3)
      l = cidrsubnet("10.0.0.0/16", 8, 3)
      m = basename(path.app)
      n = fileset("${path.project}/files", "**/*.yaml")
      o = formatdate("YYYY", timestamp())
      p = length(uuid())
      q = templatestring("%%{ for x in xs }$${x};%%{ endfor }", { xs = [1, 2] })
      r = file(jsonnetfile("files/greet.jsonnet", { ext_vars = { who = app.name } }))
      s = merge({ a = 1 }, { b = "x" })
      t = tolist(toset(["b", "a"]))
      u = fileexists("files/nope")
      v = abspath("files")
      w = templatedir("files/manifests")
    }
  }
  deploy {
    use "kubernetes-apply" {
      path        = templatedir("${path.app}/files/manifests", {}, { extra = true })
      prune_label = "app=${app.name}"
    }
  }
}
