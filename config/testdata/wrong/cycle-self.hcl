locals {
  x = [local.x]
#      ^^^^^^^ error: local.x refers to itself
}
