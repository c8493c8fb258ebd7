shipctl {
  project = "shop"
}

host "app-1" {
  address = "app-1.example"
}

release "shop" {
  hosts   = [host.app-1]
  root    = "/srv/shop"
  source  = "shop.jar"
  version = "1"
}

service "shop" {
  release = release.shop
  command = ["java", "-jar", "shop.jar"]

  slot "blue" {
    port = 8081
  }
  slot "green" {
    port = 8082
  }

  health {
    tcp {}
  }

  nginx_upstream {
    hosts    = [host.web-1]
#              ^^^^^^^^^^^^ error: private_address
    file     = "/etc/nginx/conf.d/shop.inc"
    variable = "shop_url"
  }
}

host "web-1" {
  address = "10.0.0.21"
}
