locals {
  a = local.b
#     ^^^^^^^ error: local.b refers to local.a
  b = local.a
}
release "x" {
  hosts = []
  root  = release.y.root
#         ^^^^^^^^^^^^^^ error: release.y refers to release.x
}
release "y" {
  hosts = []
  root  = release.x.root
}
