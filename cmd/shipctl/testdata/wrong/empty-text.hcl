shipctl {
  project = "shop"
}

variable "user" {
  default = ""
}

defaults {
  host {
    proxy_jump = var.user
#                ^^^^^^^^ error: "proxy_jump" is the empty text
  }
}

host "app-1" {
  address = ""
#           ^^ error: "address" is the empty text
  user    = ""
#           ^^ error: "user" is the empty text
}

host "app-2" {
  address    = "10.0.0.11"
  proxy_jump = null
  user       = null
}

release "shop" {
  hosts   = [host.app-2]
  root    = "/srv/shop"
  source  = "shop.jar"
  version = "1"
}

service "shop" {
  release = release.shop
  command = ["java", "-jar", "shop.jar", ""]
  env     = { EMPTY = "" }
  run_as  = var.user
#           ^^^^^^^^ error: "run_as" is the empty text
  runner  = ""
#           ^^ error: "runner" is the empty text

  slot "blue" {
    port = 8081
  }
  slot "green" {
    port = 8082
  }

  health {
    interval = ""
#              ^^ error: "interval" is the empty text
    deadline = ""
#              ^^ error: "deadline" is the empty text
    http {
      path = "/"
      body = ""
    }
  }

  nginx_upstream {
    hosts    = [host.app-2]
    file     = "/etc/nginx/conf.d/shop.inc"
    variable = "shop_url"
    drain    = ""
#              ^^ error: "drain" is the empty text
    binary   = ""
#              ^^ error: "binary" is the empty text
    config   = ""
#              ^^ error: "config" is the empty text
    prefix   = ""
#              ^^ error: "prefix" is the empty text

    verify {
      url  = "http://127.0.0.1/"
      host = ""
#            ^^ error: "host" is the empty text
      body = ""
    }
  }

  stop {
    signal = ""
#            ^^ error: "signal" is the empty text
    grace  = ""
#            ^^ error: "grace" is the empty text
  }

  rollout {
    strategy = ""
#              ^^ error: "strategy" is the empty text
    previous = ""
#              ^^ error: "previous" is the empty text
  }
}
