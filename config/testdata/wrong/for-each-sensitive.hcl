variable "keys" {
  default   = ["a"]
  sensitive = true
}
release "x" {
  for_each = toset(var.keys)
#            ^^^^^^^^^^^^^^^ error: The value is sensitive
  hosts    = []
  root     = "/srv/x"
}
