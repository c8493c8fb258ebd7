release "a" {
  hosts = []
  root  = service.b.port
#         ^^^^^^^^^^^^^^ error: release.a refers to service.b at
}
service "b" {
  port = release.a.root
}
