shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  crontab {
    hosts = []
#           ^^ error: At least one machine
  }
}
