# Two application machines behind two nginx machines, with an upstream block of nginx. Each application machine has two
# ports; which of them is live is known per machine.
#
#   CGO_ENABLED=0 go build -o build/teatime-1 ../teatime
#   shipctl apply -var version=1 -var-file=machines.hclvars
#
# with your machines in machines.hclvars:
#
#   app = { "app-1" = "192.0.2.11", "app-2" = "192.0.2.12" }
#   web = { "web-1" = "192.0.2.21", "web-2" = "192.0.2.22" }
#
# On each nginx machine, once. shipctl writes the whole upstream block; the include stands outside of the server:
#
#   include /etc/nginx/conf.d/teatime-upstream.inc;
#   server {
#     listen 80 default_server;
#     location / {
#       proxy_pass http://teatime;
#     }
#   }

shipctl {
  project          = "upstream"
  required_version = ">= 0.1"
}

variable "version" {
  type        = string
  default     = null # null: what is live
  description = "The version to deploy."
}

variable "app" {
  type        = map(string)
  default     = { "app-1" = "203.0.113.11", "app-2" = "203.0.113.12" }
  description = "Addresses of the application machines, by name: IP addresses, since nginx is given them."
}

variable "web" {
  type        = map(string)
  default     = { "web-1" = "203.0.113.21", "web-2" = "203.0.113.22" }
  description = "Addresses of the nginx machines, by name."
}

variable "identity_file" {
  type    = string
  default = null # null: the agent, and what ~/.ssh/config says
}

variable "known_hosts" {
  type    = string
  default = null # null: ~/.ssh/known_hosts
}

defaults {
  host {
    user          = "deploy"
    sudo          = true
    identity_file = var.identity_file
    known_hosts   = var.known_hosts
  }
}

# To take a machine out, give it state = "retired" first: nginx stops sending requests to it, then its program is
# stopped. When the block is deleted right away, nginx stops sending requests too, and the program is left to you.
host "app" {
  for_each = var.app
  address  = each.value
  labels   = { role = "app" }
}

host "web" {
  for_each = var.web
  address  = each.value
  labels   = { role = "web" }
}

release "teatime" {
  hosts   = hosts_with({ role = "app" })
  root    = "/srv/teatime"
  source  = "build/teatime-${coalesce(var.version, "live")}"
  version = var.version
}

service "teatime" {
  release = release.teatime
  command = ["./teatime-${slot.version}", "--port=${slot.port}", "--version=${slot.version}"]
  run_as  = "teatime"
  env     = { TZ = "Asia/Seoul" } # a change of it is a deployment, with no new version needed

  slot "blue" {
    port = 8081
    env  = { SLOT = "blue" }
  }

  slot "green" {
    port = 8082
    env  = { SLOT = "green" }
  }

  # Commands that run in the new release's directory before it is started; when one fails, nothing else happens and the
  # old version goes on. once: on one of the machines, as for a migration of the database.
  before_start "check" {
    command = ["/usr/bin/test", "-x", "teatime-${slot.version}"]
    once    = true
    timeout = "1m"
  }

  health {
    interval    = "500ms"
    deadline    = "60s"
    healthy_for = "1s"

    http {
      path = "/profile"
      body = "^${slot.env.SLOT}$"
    }
  }

  nginx_upstream {
    hosts    = hosts_with({ role = "web" })
    file     = "/etc/nginx/conf.d/teatime-upstream.inc"
    upstream = "teatime"
    drain    = "30s"

    verify {
      url = "http://127.0.0.1/profile"
    }
  }
}
