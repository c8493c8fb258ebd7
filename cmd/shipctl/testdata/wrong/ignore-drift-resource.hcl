shipctl {
  project = "shop"

  ignore_drift "service.shpo" {
#              ^^^^^^^^^^^^^^ warning: There is no service "shpo". Did you mean "service.shop"? This counts for what an earlier apply left
    reason = "known"
  }
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
    hosts    = [host.app-1]
    file     = "/etc/nginx/conf.d/shop.inc"
    variable = "shop_url"
  }
}
