shipctl {
  project = "shop"
}

host "app-1" {
  address = "10.0.0.11"
}

release "shop" {
  hosts   = [host.app-1]
  root    = "/etc"
#           ^^^^^^ error: belongs to the system
  source  = "shop.jar"
  version = "1"
}

service "shop" {
  release = release.shop
  command = ["java", "-jar", "shop.jar"]

  slot "blue" {
# ^^^^^^^^^^^ error: port
    prot = 8081
#   ^^^^ error: Did you mean "port"?
  }
  slot "green" {
    port = "x"
#          ^^^ error: number
  }

  health {
    tcp {}
  }

  nginx_upstream {
    hosts    = [host.app-1]
    file     = "/etc/nginx/conf.d/shop.inc"
    variable = "shop_url"
  }
}

variable "x" {
  typo = string
# ^^^^ error: Did you mean "type"?
  default = 1
}
