release "x" {
  depends_on = [host.a]
# ^^^^^^^^^^ error: The order follows from what blocks refer to
  hosts      = []
  root       = "/srv/x"
}
host "a" {}
