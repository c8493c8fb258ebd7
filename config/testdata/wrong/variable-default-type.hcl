variable "n" {
  type    = number
  default = "many"
#           ^^^^^^ error: The variable "n" is of type number: a number is required.
}
