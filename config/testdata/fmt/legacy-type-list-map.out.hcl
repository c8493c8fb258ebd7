variable "a" {
  type    = list(string)
  default = []
}
variable "b" {
  type    = map(string)
  default = {}
}
