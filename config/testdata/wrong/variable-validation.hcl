  variable "port" {
# ^^^^^^^^^^^^^^^ error: The port is below 1024.
  default = 80
  validation {
    condition     = var.port >= 1024
    error_message = "The port is below 1024."
  }
}
