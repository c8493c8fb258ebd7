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
  release = release.shop
  command = ["java", "-jar", "shop.jar"]

  slot "blue" {
    port = 8081
  }
  slot "green" {
    port = 8082
  }

  health {
    http {
      path = "/"
      host = ""
#            ^^ error: "host" is the empty text
      body = ""
    }
  }

  nginx_upstream {
    hosts    = [host.app-1]
    file     = "/etc/nginx/conf.d/shop.inc"
    variable = "shop_url"
  }
}
