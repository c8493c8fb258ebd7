variable "ports" {
  type = list(number)
}
  variable "token" {
# ^^^^^^^^^^^^^^^^ error: The variable "token" is of type number
  type      = number
  sensitive = true
}
