variable "token" {
  default   = "hunter2"
  sensitive = true
}
release "x" {
  hosts = []
  root  = parseint(var.token, 10)
#                  ^^^^^^^^^ error: The details are not shown
}
