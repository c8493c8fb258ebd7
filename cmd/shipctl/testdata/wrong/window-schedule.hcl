shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  cron "report" {
    schedule  = "61 * * * *"
#               ^^^^^^^^^^^^ error: Not a schedule
    time_zone = "Asia/Seoul"
  }
}
