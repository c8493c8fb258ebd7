shipctl {
  project = "shop"
}

variable "token" {
  type      = string
  sensitive = true
  default   = "t"
}

host "app-1" {
  address = "10.0.0.11"
}

release "shop" {
  hosts   = [host.app-1]
  root    = "/srv/shop"
  source  = "shop.jar"
  version = "1"

  before_activate "migrate" {
    command = "./migrate up"
#             ^^^^^^^^^^^^^^ error: a list of the program and its arguments
  }
  after_activate "reload" {
    command = ["./reload", var.token]
#             ^^^^^^^^^^^^^^^^^^^^^^^ error: Pass it in env
    timeout = "soon"
#             ^^^^^^ error: a number and a unit
    run_as  = "-x"
#             ^^^^ error: letters, digits
  }
}
