shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  deny "freeze" {
    schedule  = "0 0 24 12 *"
    time_zone = "Asia/Seoul"
    duration  = "900h"
#               ^^^^^^ error: at most 31 days
  }
}
