variable "n" {
  type    = strng
#           ^^^^^ error: The keyword "strng" is not a valid type specification. Did you mean "string"?
  default = 1
}
