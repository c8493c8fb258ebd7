# A batch server that schedules its jobs itself, as Spring Boot does: two must never run at once, and a deployment keeps
# away from the job that touches money. The old program is stopped, and the new one started in its place.
#
# To try it, with the small program of this folder's neighbour, which answers as Spring Boot's actuator:
#
#   CGO_ENABLED=0 go build -o build/teatime-1 ../teatime
#   shipctl plan   -var version=1 -var address=192.0.2.31
#   shipctl apply  -var version=1 -var address=192.0.2.31
#   shipctl gate   -var address=192.0.2.31   # may a deployment begin now? Exit code 3: no, and why, and until when
#   shipctl window preview -var address=192.0.2.31
#
# The machine needs sshd, systemd, curl, a user "deploy" with sudo, and a user "batch" for the program (useradd --system
# batch). How CI asks before and after is written in docs/windows.md.

shipctl {
  project          = "batch-server"
  required_version = ">= 0.1"
}

variable "version" {
  type        = string
  default     = null # null: what is live
  description = "The version to deploy."
}

variable "address" {
  type        = string
  default     = "203.0.113.31"
  description = "The machine, for SSH."
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

host "batch-1" {
  address       = var.address
  user          = "deploy"
  sudo          = true
  identity_file = var.identity_file
  known_hosts   = var.known_hosts
}

release "batch-server" {
  hosts   = [host.batch-1]
  root    = "/srv/batch-server"
  source  = "build/teatime-${coalesce(var.version, "live")}"
  version = var.version

  retention {
    keep = 3
  }
}

service "batch-server" {
  release = release.batch-server
  run_as  = "batch"
  windows = [batch_window.settlement] # judged when you plan, when apply begins, and right before the stop

  command = [
    "./teatime-${slot.version}", "--port=${slot.port}", "--version=${slot.version}",
    "--jobs=0 0 13 * * *;0 * * * * *", # one at 13:00, one every minute
    "--busy=/run/settlement-runs",     # while this file is there, a job runs
  ]

  slot "server" { # there is one only: two would both run the jobs
    port = 8081
  }

  health {
    deadline = "60s" # then the new program is stopped, and the old release started again

    http {
      path = "/health"
    }
  }

  stop {
    signal = "TERM"
    grace  = "30s"
  }

  rollout {
    strategy = "recreate"
  }
}

batch_window "settlement" {
  before          = "20m" # a job that starts within this long, and within what a deployment takes, closes it
  ignore_frequent = true  # what runs every second, minute or hour does not count

  actuator { # Spring Boot's /actuator/scheduledtasks, asked on the machine, at the slot's port
    time_zone = "Asia/Seoul"
  }

  http { # an endpoint of the program's own, which answers 403 while a job runs
    path    = "/api/tasks/"
    blocked = [403]
  }

  deny "year-end" { # nothing is deployed from Christmas Eve on, for ten days
    schedule  = "0 0 24 12 *"
    duration  = "240h"
    time_zone = "Asia/Seoul"
  }
}
