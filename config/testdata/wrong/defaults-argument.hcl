defaults {
  release {
    hosts = []
    rot   = "/srv"
#   ^^^ error: Did you mean "root"?
  }
}
release "x" { root = "/srv/x" }
release "y" { root = "/srv/y" }
