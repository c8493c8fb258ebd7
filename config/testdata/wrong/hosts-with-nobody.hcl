host "a" {
  labels = { role = "app" }
}
release "x" {
  hosts = hosts_with({ role = "ap" })
#                    ^^^^^^^^^^^^^^^ error: no host has role = "ap"; labels present: role = app. Perhaps "app" is meant
  root  = "/srv/x"
}
