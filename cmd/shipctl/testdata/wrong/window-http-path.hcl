shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  http {
    path    = "tasks"
#             ^^^^^^^ error: begins with /
    blocked = [403]
  }
}
