shipctl {
  project = "shop"
}

defaults {
  host {
    usr = "x"
#   ^^^ error: Did you mean "user"?
  }
  release {
    root = "/srv/${each.key}"
    retention {
      kep = 1
#     ^^^ error: Did you mean "keep"?
    }
  }
  service {
    rnner  = "x"
#   ^^^^^ error: Did you mean "runner"?
    run_as = var.nope
#            ^^^^^^^^ error: There is no variable "nope"
    health {
      deadline = nosuch(1)
#                ^^^^^^ error: no function named "nosuch"
    }
  }
}
