shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  cron "report" {
    schedule  = "0 0 31 2 *"
#               ^^^^^^^^^^^^ error: fits no date
    time_zone = "Asia/Seoul"
  }
}
