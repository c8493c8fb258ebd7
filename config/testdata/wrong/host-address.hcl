host "a" {
  address = "-oProxyCommand=id"
#           ^^^^^^^^^^^^^^^^^^^ error: is not an address
}
host "b" {
  address = "deploy@10.0.0.1"
#           ^^^^^^^^^^^^^^^^^ error: user = "…"
}
host "c" {
  address = "10.0.0.1:22"
#           ^^^^^^^^^^^^^ error: port = …
}
host "d" {
  address = "10.0.0.1;id"
#           ^^^^^^^^^^^^^ error: is not an address
}
