shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  cron "report" {
    schedule  = "daily"
#               ^^^^^^^ error: Five fields are read as cron does
    time_zone = "Asia/Seoul"
  }
}
