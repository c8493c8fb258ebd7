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
  release = { addr = "release.shop" }
#           ^^^^^^^^^^^^^^^^^^^^^^^^^ error: release.NAME is expected

  job "close" {
    command = ["./close"]
  }
}
