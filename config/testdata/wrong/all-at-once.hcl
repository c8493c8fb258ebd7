variable "a" {
  default = 1
  defalt  = 2
# ^^^^^^ error: Did you mean "default"?
}
hots "x" {}
#^^^ error: Did you mean "host"?
release "x" {
  hosts = [host.nobody]
#          ^^^^^^^^^^^ error: There is no host "nobody"
  root  = 1 + "x"
#             ^^^ error: Unsuitable value for right operand
}
service "x" {
  prot = 1
# ^^^^ error: Did you mean "port"?
  tags = [var.b]
#         ^^^^^ error: There is no variable "b"
}
