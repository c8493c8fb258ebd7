# Jobs that cron, a timer or Jenkins starts, on a machine of their own: a deployment never disturbs one that runs.
#
# To try it, with a job that is a small script:
#
#   mkdir -p build/settlement-1 && printf 'echo closing in release $SHIPCTL_RELEASE; sleep 5\n' >build/settlement-1/close.sh
#   shipctl plan  -var version=1 -var address=192.0.2.31
#   shipctl apply -var version=1 -var address=192.0.2.31
#   ssh 192.0.2.31 sudo /srv/settlement/jobs/close
#   shipctl status -var address=192.0.2.31
#
# The machine needs sshd, flock, a user "deploy" with sudo, and a user "batch" for the jobs (useradd --system batch).
# How a line of a crontab or of Jenkins changes is written in docs/batch.md.

shipctl {
  project          = "settlement"
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
  sudo          = true # a look at all processes is needed to know which release is in use
  identity_file = var.identity_file
  known_hosts   = var.known_hosts
}

# releases/<version>, current, and jobs/ below the root. A job runs in the release that was current when it began, and
# that release stays until the job has ended.
release "settlement" {
  hosts   = [host.batch-1]
  root    = "/srv/settlement"
  source  = "build/settlement-${coalesce(var.version, "live")}"
  version = var.version
  shared  = ["log"]

  retention {
    keep = 2
  }
}

batch "settlement" {
  release = release.settlement
  run_as  = "batch"
  env     = { TZ = "Asia/Seoul" }

  job "close" {
    command   = ["sh", "close.sh"]
    schedule  = "0 13 * * *" # when it is expected: this starts nothing
    time_zone = "Asia/Seoul"
  }

  job "report" {
    command     = ["sh", "close.sh", "--report"]
    concurrency = "queue" # a second one waits for its turn
  }
}
