variable "port" {
  default = 80
  validation {
# ^^^^^^^^^^ error: error_message is missing
    condition = local.x
  }
}
