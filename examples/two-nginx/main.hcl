# One application machine with two ports, and two nginx machines in front of it. Both nginx are checked before either is
# switched; when one can't be, the other is put back; the old version is stopped when the last request has left it.
#
#   CGO_ENABLED=0 go build -o build/teatime-1 ../teatime
#   shipctl plan -out=plan -var version=1 -var-file=machines.hclvars
#   shipctl apply plan
#
# with your machines in machines.hclvars:
#
#   app = "192.0.2.11"
#   web = { "web-1" = "192.0.2.21", "web-2" = "192.0.2.22" }
#
# On each nginx machine, once:
#
#   server {
#     listen 80 default_server;
#     include /etc/nginx/conf.d/service-prod-url.inc;
#     location / {
#       proxy_pass $service_url;
#     }
#   }

shipctl {
  project          = "two-nginx"
  required_version = ">= 0.1"
}

variable "version" {
  type        = string
  default     = null # null: what is live
  description = "The version to deploy."
}

variable "app" {
  type        = string
  default     = "203.0.113.11"
  description = "Address of the application machine."
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

# What all hosts have in common; a host block may say otherwise.
defaults {
  host {
    user          = "deploy"
    sudo          = true
    identity_file = var.identity_file
    known_hosts   = var.known_hosts
  }
}

host "app-1" {
  address = var.app
  # private_address = "10.0.0.11" # where nginx finds the program, if that is another address than the one for SSH
  labels = { role = "app" }
}

host "web" { # for_each as in Terraform: host.web["web-1"], host.web["web-2"]
  for_each = var.web
  address  = each.value
  labels   = { role = "web" }
}

release "teatime" {
  hosts   = hosts_with({ role = "app" }) # by label; nobody is an error
  root    = "/srv/teatime"
  source  = "build/teatime-${coalesce(var.version, "live")}"
  version = var.version
}

service "teatime" {
  release = release.teatime
  command = ["./teatime-${slot.version}", "--port=${slot.port}", "--version=${slot.version}"]
  run_as  = "teatime" # a user of the application machine

  slot "blue" {
    port = 8080
    env  = { SLOT = "prod1" }
  }

  slot "green" {
    port = 8081
    env  = { SLOT = "prod2" }
  }

  systemd { # limits, as in systemd.exec(5) and systemd.resource-control(5)
    properties = { MemoryMax = "512M" }
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
    file     = "/etc/nginx/conf.d/service-prod-url.inc"
    variable = "service_url"
    drain    = "30s"

    verify { # as each nginx machine reaches its own nginx
      url = "http://127.0.0.1/profile"
    }
  }
}
