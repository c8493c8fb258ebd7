# Every block and every argument that there is, each with a value that is allowed. Tests put other values in their place.

shipctl {
  project          = "shop"
  required_version = ">= 0.1"
}

variable "version" {
  type        = string
  default     = "42"
  description = "The release to deploy."
  nullable    = true

  validation {
    condition     = var.version == null || length(var.version) < 20
    error_message = "The version is too long."
  }
}

variable "password" {
  type      = string
  default   = "swordfish"
  sensitive = true
}

locals {
  zone = "Asia/Seoul"
}

defaults {
  host {
    user = "deploy"
  }
  service {
    runner = "systemd"
  }
}

host "app-1" {
  address         = "203.0.113.11"
  private_address = "10.0.0.11"
  labels          = { role = "app" }
  state           = null
  port            = 22
  user            = "deploy"
  identity_file   = "~/.ssh/deploy"
  known_hosts     = "~/.ssh/known_hosts"
  proxy_jump      = "jump@bastion.example:2222"
  connection      = "ssh"
  sudo            = true
  state_dir       = "/var/lib/shipctl"
  timeout         = "30s"
}

host "web" {
  for_each = { "web-1" = "10.0.0.21", "web-2" = "10.0.0.22" }
  address  = each.value
  labels   = { role = "web" }
}

release "shop" {
  hosts   = hosts_with({ role = "app" })
  root    = "/srv/shop"
  source  = "build/shop.tar.gz"
  version = var.version
  shared  = ["log"]

  retention {
    keep        = 5
    keep_failed = 1
  }
}

service "shop" {
  release = release.shop
  command = ["./shop", "--port=${slot.port}"]
  env     = { TZ = local.zone, LANG = "C.UTF-8", PASSWORD = var.password }
  run_as  = "shop"

  slot "blue" {
    port = 8081
    env  = { SLOT = "blue" }
  }
  slot "green" {
    port = 8082
    env  = { SLOT = "green" }
  }

  before_start "migrate" {
    command = ["./migrate", "up"]
    once    = true
    timeout = "10m"
  }

  health {
    interval    = "1s"
    timeout     = "2s"
    deadline    = "100s"
    healthy_for = "3s"

    http {
      path   = "/health"
      host   = "shop.example"
      status = [200]
      body   = "^${slot.env.SLOT}$"
    }
  }

  nginx_upstream {
    hosts    = hosts_with({ role = "web" })
    file     = "/etc/nginx/conf.d/shop-url.inc"
    variable = "shop_url"
    drain    = "30s"
    binary   = "nginx"
    config   = "/etc/nginx/nginx.conf"
    prefix   = "/usr/share/nginx"

    verify {
      url      = "https://127.0.0.1/health"
      host     = "shop.example"
      insecure = true
      status   = [200]
      body     = "blue|green"
    }
  }

  stop {
    signal     = "TERM"
    grace      = "30s"
    disconnect = false
  }

  rollout {
    strategy = "blue_green"
    previous = "stopped"
  }

  systemd {
    properties = { MemoryMax = "1G" }
  }
}

service "jobs" {
  release = release.shop
  command = ["./jobs"]
  runner  = "process"

  slot "a" {
    port = 9081
  }
  slot "b" {
    port = 9082
  }

  health {
    exec {
      command = ["./check", slot.name]
    }
  }

  nginx_upstream {
    hosts    = [host.web["web-1"]]
    file     = "/etc/nginx/conf.d/jobs.conf"
    upstream = "jobs"
  }
}
