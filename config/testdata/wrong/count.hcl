release "x" {
  count = 2
# ^^^^^ error: Use for_each with a map or a set of strings
  hosts = []
  root  = "/srv/x"
}
