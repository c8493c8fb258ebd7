shipctl {
  project = "shop"
}

variable "token" {
  type      = string
  sensitive = true
  default   = "t"
}

host "app-1" {
  address = "10.0.0.11"
}

release "shop" {
  hosts   = [host.app-1]
  root    = "/srv/shop"
  source  = "http://store.example/shop.jar"
#           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: only https
  version = "1"
}
