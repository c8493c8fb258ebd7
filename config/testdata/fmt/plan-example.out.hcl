shipctl {
  project          = "teatime"
  required_version = ">= 0.1"
}
host "app-1" {
  address         = "203.0.113.11"
  private_address = "10.0.0.11"
  labels          = { role = "app" }
}
release "teatime" {
  hosts   = hosts_with({ role = "app" })
  root    = "/srv/teatime"
  source  = "build/teatime-${var.version}.jar"
  version = var.version
  retention {
    keep        = 5
    keep_failed = 1
  }
}
