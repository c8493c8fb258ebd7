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
  source  = "https://me:secret@store.example/shop.jar"
#           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: ends up in plans and logs
  sha256  = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  version = "1"
}
