# The demo's configuration: one machine, nginx and two slots, as on a server of one's own. The lab's ports and folders
# come from a file of values.

shipctl {
  project = "demo"
}

variable "version" {
  type    = string
  default = null
}

variable "lab" {
  type = object({
    dir         = string
    port        = number
    user        = string
    key         = string
    known_hosts = string
    nginx_conf  = string
    include     = string
    url         = string
    blue        = number
    green       = number
  })
}

host "lab" {
  address         = "127.0.0.1"
  private_address = "127.0.0.1"
  port            = var.lab.port
  user            = var.lab.user
  identity_file   = var.lab.key
  known_hosts     = var.lab.known_hosts
  state_dir       = "${var.lab.dir}/state"
}

release "teatime" {
  hosts   = [host.lab]
  root    = "${var.lab.dir}/srv"
  source  = "${var.lab.dir}/build/teatime-${coalesce(var.version, "live")}"
  version = var.version
}

service "teatime" {
  release = release.teatime
  command = ["./teatime", "--port=${slot.port}", "--version=${slot.version}", "--slot=${slot.name}", "--boot=1s"]
  runner  = "process"

  slot "blue" {
    port = var.lab.blue
  }

  slot "green" {
    port = var.lab.green
  }

  health {
    deadline    = "30s"
    healthy_for = "1s"

    http {
      path = "/profile"
      body = "^${slot.name}$"
    }
  }

  nginx_upstream {
    hosts    = [host.lab]
    config   = var.lab.nginx_conf
    file     = var.lab.include
    variable = "service_url"
    drain    = "10s"

    verify {
      url = "${var.lab.url}/profile"
    }
  }
}
