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
}

service "shop" {
  for_each = toset(["a", "b"])

  release = release.shop
  command = ["java", "-jar", "shop.jar"]

  slot "blue" {
    port = 8081
#          ^^^^ error: app-1 port 8081 is claimed by service.shop["a"]
  }
  slot "green" {
    port = 8082
#          ^^^^ error: app-1 port 8082 is claimed by service.shop["a"]
  }

  health {
    tcp {}
  }

  nginx_upstream {
    hosts    = [host.app-1]
    file     = "/etc/nginx/conf.d/shop.inc"
#              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: app-1 file
    variable = "shop_url"
  }
}
