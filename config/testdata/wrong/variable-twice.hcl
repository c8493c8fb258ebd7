variable "n" {
  default = 1
}
variable "n" {
#^^^^^^^^^^^ error: There is variable "n" at
  default = 2
}
