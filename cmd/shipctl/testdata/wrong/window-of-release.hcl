shipctl {
  project = "shop"
}

host "app-1" {
  address = "10.0.0.11"
}

release "shop" {
  hosts   = [host.app-1]
  root    = "/srv/shop"
  source  = "shop.jar"
  version = "1"
  windows = [host.app-1]
#           ^^^^^^^^^^^^ error: batch_window
}
