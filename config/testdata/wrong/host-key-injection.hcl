host "web" {
  for_each = toset(["web-1", "-oProxyCommand=id"])
#            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: can't name a host
}
