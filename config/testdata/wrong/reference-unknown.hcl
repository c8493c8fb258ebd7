host "app-1" {}
release "teatime" {
  hosts = [host.app-2]
#          ^^^^^^^^^^ error: There is no host "app-2". Did you mean "app-1"?
  root = "/srv/${var.nam}"
#                ^^^^^^^ error: There is no variable "nam". Did you mean "name"?
}
service "x" {
  release = release.teetime
#           ^^^^^^^^^^^^^^^ error: There is no release "teetime". Did you mean "teatime"?
  tags = [local.x]
#         ^^^^^^^ error: There is no local value "x". There are none.
}
variable "name" {
  default = "x"
}
