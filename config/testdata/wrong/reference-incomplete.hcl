release "x" {
  hosts = [host]
#          ^^^^ error: "host" alone is not a value
  root = "/srv/x"
}
host "a" {}
