shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  process {
    hosts = [host.batch-1]
    match = ""
#           ^^ error: part of the program
  }
}
