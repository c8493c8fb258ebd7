shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  jobs = [host.batch-1]
#        ^^^^^^^^^^^^^^ error: jobs = [batch.NAME
}
