variable "a" {
  type = "${string}"
}
