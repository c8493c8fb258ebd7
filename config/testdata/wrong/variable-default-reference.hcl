variable "n" {
  default = local.x
#           ^^^^^^^ error: A variable's default is a constant
}
