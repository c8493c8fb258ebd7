# What runs where. `shipctl plan` shows what differs from the machines, `shipctl apply` makes it so.
# Everything here is on one machine: nginx in front of two ports, one of which serves while the other waits.

shipctl {
  project          = "example" # marks what shipctl puts on a machine
  required_version = ">= 0.1"
}

variable "version" { # shipctl apply -var version=42
  type        = string
  default     = null # null: what is live, so that plan, status and drift need no artifact
  description = "The release to deploy."
}

host "app-1" {
  address         = "203.0.113.11" # for SSH; left out: the name, as ~/.ssh/config knows it
  private_address = "127.0.0.1"    # for nginx, which runs on the same machine here
  labels          = { role = "app" }

  user = "deploy"
  sudo = true # nginx and systemd need root
}

release "example" {
  hosts   = hosts_with({ role = "app" })
  root    = "/srv/example"                                       # releases/, current and slots/ live here
  source  = "build/example-${coalesce(var.version, "live")}.jar" # a file, a directory, .tar.gz or .zip
  version = var.version
}

service "example" {
  release = release.example
  command = ["java", "-jar", "example-${slot.version}.jar", "--server.port=${slot.port}"]
  run_as  = "example" # a user that exists on the machine

  slot "blue" {
    port = 8081
    env  = { SPRING_PROFILES_ACTIVE = "real1" }
  }
  slot "green" {
    port = 8082
    env  = { SPRING_PROFILES_ACTIVE = "real2" }
  }

  health {
    interval    = "1s"
    timeout     = "2s"
    deadline    = "100s" # then the new slot is stopped; nginx was never touched
    healthy_for = "3s"

    http {
      path   = "/profile"
      status = [200]
      body   = "^${slot.env.SPRING_PROFILES_ACTIVE}$" # a regular expression
    }
  }

  # In nginx: include /etc/nginx/conf.d/service-url.inc; and proxy_pass $service_url;
  nginx_upstream {
    hosts    = hosts_with({ role = "app" })
    file     = "/etc/nginx/conf.d/service-url.inc"
    variable = "service_url"
    drain    = "30s" # how long requests in flight may take on the old slot

    verify { # through nginx, after the switch
      url = "http://127.0.0.1/profile"
    }
  }

  stop {
    signal = "TERM"
    grace  = "30s" # then KILL, the same process only
  }

  rollout {
    strategy = "blue_green"
    previous = "stopped" # or "running": going back is then one switch
  }
}
