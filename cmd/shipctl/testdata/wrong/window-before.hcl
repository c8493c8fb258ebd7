shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

batch_window "night" {
  before = "soon"
#          ^^^^^^ error: a number and a unit
  cron "report" {
    schedule  = "30 2 * * *"
    time_zone = "Asia/Seoul"
  }
}
