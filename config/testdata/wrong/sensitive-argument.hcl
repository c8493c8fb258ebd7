variable "token" {
  default   = "hunter2"
  sensitive = true
}
service "x" {
  tags = ["a", var.token]
#        ^^^^^^^^^^^^^^^^ error: "tags" would show a sensitive value
}
release "x" {
  hosts = []
  root  = var.token
#         ^^^^^^^^^ error: would show the sensitive variable "token"
}
