service "x" {
  env {
# ^^^ error: "env" is an argument: write env = …
    A = "x"
  }
}
