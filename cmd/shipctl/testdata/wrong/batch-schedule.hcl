shipctl {
  project = "shop"
}

host "batch-1" {
  address = "10.0.0.31"
}

release "shop" {
  hosts   = [host.batch-1]
  root    = "/srv/shop"
  source  = "shop.tar.gz"
  version = "1"
}

batch "shop" {
  release = release.shop

  job "close" {
    command  = ["./close"]
    schedule = "0 13 *"
#              ^^^^^^^^ error: found
  }
}
