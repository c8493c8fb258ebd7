host "web" {
  for_each = { "web-1" = "10.0.0.1", "web-2" = "10.0.0.2" }
  address  = each.value
}
host "one" {}
release "x" {
  hosts = [host.web["web-3"], host.one[0]]
#          ^^^^^^^^^^^^^^^^^ error: Did you mean "web-1"?
#                             ^^^^^^^^^^^ error: host.one has no for_each
  root = "/srv/x"
}
release "y" {
  hosts = [host.web-1]
#          ^^^^^^^^^^ error: Did you mean host.web["web-1"]?
  root = "/srv/x"
}
