release "a" {
  for_each = toset([null])
#            ^^^^^^^^^^^^^ error: A key is null or sensitive
  hosts    = []
  root     = "/srv/a"
}
