shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  systemd_timers {
    hosts = [host.batch-1]
    match = "(settlement"
#           ^^^^^^^^^^^^^ error: Not a regular expression
  }
}
