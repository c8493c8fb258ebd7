release "x" {
  for_each = null
#            ^^^^ error: The value is null
  hosts    = []
  root     = "/srv/x"
}
