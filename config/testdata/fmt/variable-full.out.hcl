variable "x" {
  type = object({
    a   = string
    bbb = optional(number, 1)
    c   = list(string)
  })
  default = {
    a = "x"
    c = ["y"]
  }
  sensitive = true
  nullable  = false
  validation {
    condition     = length(var.x.a) > 0
    error_message = "No."
  }
}
