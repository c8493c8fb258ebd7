release "x" {
  for_each = { "$(id)" = 1 }
#            ^^^^^^^^^^^^^^^ error: "$(id)" can't name a release
  hosts    = []
  root     = "/srv/x"
}
