variable "n" {
  type    = strng
#           ^^^^^ error: The keyword "strng" is not a valid type specification.
  default = 1
}
