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
  for_each = toset(["a"])

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

service "shop.a" {
  release = release.shop
  command = ["./other"]

  slot "blue" {
    port = 9081
#          ^^^^ error: app-1 name shop.a is claimed by
  }
  slot "green" {
    port = 9082
  }

  health {
    tcp {}
  }

  nginx_upstream {
    hosts    = [host.app-1]
    file     = "/etc/nginx/conf.d/other.inc"
    variable = "other_url"
  }
}
