shipctl {
  project          = "x"
  required_version = ">= 99"
#                    ^^^^^^^ error: the configuration requires >= 99
}
nonsense "from a newer version" {}
