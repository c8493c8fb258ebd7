release "x" {
  hosts = []
  root  = "/srv/x"
}
release "x" {
#^^^^^^^^^^ error: There is release "x" at
}
