# The configuration whose questions a machine has answered in answers.json, and the other ways in which windows ask.

shipctl {
  project = "demo"
}

host "lab" {
  address         = "127.0.0.1"
  private_address = "127.0.0.1"
  state_dir       = "/srv/lab/state"
}

release "teatime" {
  hosts   = [host.lab]
  root    = "/srv/lab/srv"
  source  = "build/teatime-2"
  version = "2"

  retention {
    keep = 1
  }
}

service "teatime" {
  release = release.teatime
  command = ["./teatime", "--port=${slot.port}", "--version=${slot.version}", "--slot=${slot.name}", "--boot=1s"]
  runner  = "process"
  windows = [batch_window.night]

  slot "blue" {
    port = 8081
  }
  slot "green" {
    port = 8082
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
    config   = "/srv/lab/nginx/nginx.conf"
    file     = "/srv/lab/nginx/conf/service-url.inc"
    variable = "service_url"
    drain    = "10s"

    verify {
      url = "http://127.0.0.1:8080/profile"
    }
  }
}

batch "night" {
  release = release.teatime

  job "close" {
    command   = ["./teatime", "--help"]
    schedule  = "0 0 13 * * *"
    time_zone = "Asia/Seoul"
  }
}

batch_window "night" {
  before = "20m"
  jobs   = [batch.night]

  cron "report" {
    schedule  = "30 2 * * *"
    time_zone = "Asia/Seoul"
  }
  crontab { hosts = [host.lab] }
  systemd_timers { hosts = [host.lab] }
  http {
    path    = "/api/tasks/"
    blocked = [403]
  }
  process {
    hosts = [host.lab]
    match = "no-such-batch.jar"
  }
}
