host "a" {
  address = release.x.root
#           ^^^^^^^^^^^^^^ error: a host can't refer to release.x
}
release "x" {
  hosts = []
  root  = "/srv/x"
}
