release "x" {
  hosts = []
  rooot = "/srv/x"
# ^^^^^ error: A release block has no argument "rooot". Did you mean "root"?
  root  = "/srv/x"
}
