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
  source  = "shop.jar"
  version = "1"

  retention {
    max_size = "much"
#              ^^^^^^ error: a number and a unit
  }
}
