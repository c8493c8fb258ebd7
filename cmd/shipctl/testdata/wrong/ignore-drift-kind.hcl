shipctl {
  project = "shop"

  ignore_drift "servcie.shop" {
#              ^^^^^^^^^^^^^^ error: There are no servcie blocks. Did you mean "service.shop"?
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
