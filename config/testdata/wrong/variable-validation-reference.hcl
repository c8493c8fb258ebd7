variable "port" {
  default = 80
  validation {
    condition     = local.x > 1
#                   ^^^^^^^ error: A condition can refer to variables only
    error_message = "No."
  }
}
