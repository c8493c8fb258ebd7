shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  actuator {
    time_zone = "UTC"
    port      = 70000
#               ^^^^^ error: between 1 and 65535
  }
}
