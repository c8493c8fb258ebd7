shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  http {
    path    = "/tasks"
    blocked = [403]
    hosts   = [host.batch-1]
#             ^^^^^^^^^^^^^^ error: port has to say
  }
}
