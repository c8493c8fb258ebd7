release "x" {
  for_each = ["a", "b"]
#            ^^^^^^^^^^ error: for_each takes a map, or a set of strings
  hosts    = []
  root     = "/srv/${each.key}"
}
service "x" {
  release = release.x["a"]
}
