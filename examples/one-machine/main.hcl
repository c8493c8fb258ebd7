# Everything on one machine: nginx in front of two ports, of which one serves while the other waits for the next version.
#
# To try it, with the small program of this folder's neighbour:
#
#   CGO_ENABLED=0 go build -o build/teatime-1 ../teatime
#   shipctl plan  -var version=1 -var address=192.0.2.11
#   shipctl apply -var version=1 -var address=192.0.2.11
#
# The machine needs sshd, nginx, systemd, a user "deploy" with sudo, a user "teatime" for the program
# (useradd --system teatime), and an nginx server that passes requests to the variable that shipctl sets. The include
# need not be there yet, and nginx need not run yet:
#
#   server {
#     listen 80 default_server;
#     include /etc/nginx/conf.d/service-url.inc;
#     location / {
#       proxy_pass $service_url;
#     }
#   }
#
# At the top of nginx.conf write "worker_shutdown_timeout 30s;" (drain, below): without it the first plan warns that an
# nginx worker with one long connection never ends.

shipctl {
  project          = "one-machine" # who owns what we put on the machine
  required_version = ">= 0.1"
}

# As in Terraform: -var, -var-file, shipctl.hclvars, *.auto.hclvars, or SHIPCTL_VAR_version in the environment.
variable "version" {
  type        = string
  default     = null # null: what is live, so that plan and status work without an artifact
  description = "The version to deploy."
}

variable "address" {
  type        = string
  default     = "203.0.113.11"
  description = "The machine, for SSH: an IP address, a name, or a name from ~/.ssh/config."
}

variable "identity_file" {
  type        = string
  default     = null # null: the agent, and what ~/.ssh/config says
  description = "The private key to log in with."
}

variable "known_hosts" {
  type        = string
  default     = null # null: ~/.ssh/known_hosts; a machine that is not in it is refused
  description = "The file with the machine's host key."
}

# What is an inventory in Ansible and "server" lines in Capistrano.
host "box" {
  address         = var.address
  private_address = "127.0.0.1" # how nginx reaches the program: it is on the same machine

  user          = "deploy"
  sudo          = true # nginx and systemd need root
  identity_file = var.identity_file
  known_hosts   = var.known_hosts
}

# As in Capistrano: releases/<version>, current and shared/ below a root. A release is never changed once it is there.
release "teatime" {
  hosts   = [host.box]
  root    = "/srv/teatime"
  source  = "build/teatime-${coalesce(var.version, "live")}" # a file, a directory, .tar.gz or .zip on this machine
  version = var.version
}

service "teatime" {
  release = release.teatime
  # Program and arguments, without a shell. slot.name, .port, .env and .version are those of the slot that is started.
  command = ["./teatime-${slot.version}", "--port=${slot.port}", "--version=${slot.version}"]
  run_as  = "teatime"

  slot "blue" {
    port = 8081
    env  = { SLOT = "blue" }
  }

  slot "green" {
    port = 8082
    env  = { SLOT = "green" }
  }

  # The new version gets no request before it is healthy. When it is not in time, it is stopped and nothing has changed.
  health {
    interval    = "500ms"
    deadline    = "60s"
    healthy_for = "1s"

    http {
      path = "/profile"
      body = "^${slot.env.SLOT}$" # a regular expression: the right slot has to answer, not just anybody
    }
  }

  nginx_upstream {
    hosts    = [host.box]
    file     = "/etc/nginx/conf.d/service-url.inc" # shipctl's own file: set $service_url http://127.0.0.1:8081;
    variable = "service_url"
    drain    = "30s" # how long requests in flight may take on the old slot

    verify { # through nginx, after the switch; undone when the new slot does not answer
      url = "http://127.0.0.1/profile"
    }
  }

  stop {
    signal = "TERM"
    grace  = "30s" # then KILL
  }

  rollout {
    previous = "stopped" # or "running" until the next deployment: going back is then one switch
  }
}
