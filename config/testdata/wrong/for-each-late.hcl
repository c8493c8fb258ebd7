release "x" {
  hosts = []
  root  = "/srv/x"
}
service "x" {
  for_each = toset([release.x.root])
#            ^^^^^^^^^^^^^^^^^^^^^^^ error: The keys depend on the values of other blocks
}
