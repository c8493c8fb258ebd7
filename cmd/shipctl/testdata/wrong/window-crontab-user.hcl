shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  crontab {
    hosts = [host.batch-1]
    users = ["a b"]
#           ^^^^^^^ error: Not a user's name
  }
}
