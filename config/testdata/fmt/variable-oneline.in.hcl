variable "x" { default="${1}" }
variable y {}
variable z { type = "string" }
