shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  cron "report" {
    schedule  = "30 2 * * *"
    time_zone = "Asia/Seoul"
    duration  = "0s"
#               ^^^^ error: more than nothing
  }
}
