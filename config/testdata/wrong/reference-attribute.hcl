release "teatime" {
  hosts = [host.a]
  root  = "/srv/${host.a.adress}"
#                 ^^^^^^^^^^^^^ error: host.a has no attribute "adress". Did you mean "address"?
}
service "x" {
  tags = [release.other.rot]
#         ^^^^^^^^^^^^^^^^^ error: release.other has no attribute "rot". Did you mean "root"?
}
release "other" {
  hosts = []
  root  = "/srv/x"
}
host "a" {}
