variable "n" {
  default   = 1
  sensitve  = true
# ^^^^^^^^ error: Did you mean "sensitive"?
}
