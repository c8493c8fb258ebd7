host "a" {}
host "web" {
#^^^^^^^^^ error: names the machine "a", which host.a does already
  for_each = toset(["a", "b"])
}
