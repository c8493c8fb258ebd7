release "x" {
  hosts = []
  root  = []
#         ^^ error: "root" is text
}
service "x" {
  release = release.x
  tags    = [release.x.root]
  env     = { A = release.x.root }
}
locals {
  root = release.x.root
}
service "y" {
  tags = [local.root]
  port = "x"
#        ^^^ error: "port" is a number
}
