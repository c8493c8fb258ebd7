a = {
  "with space" = 1
  (local.k)    = 2
  "${var.k}"   = 3
  key-dash     = 4
  1            = 5
}
