release "x" {
  hosts = ["host.a"]
#          ^^^^^^^^ error: A reference is written without quotes
  root = "/srv/x"
}
service "x" {
  release = "release.x"
#           ^^^^^^^^^^^ error: A reference is written without quotes
}
host "a" {}
