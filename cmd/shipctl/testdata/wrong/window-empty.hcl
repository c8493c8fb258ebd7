shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
#^^^^^^^^^^^^^^^^^^^ error: This window never closes
  before = "20m"
}
