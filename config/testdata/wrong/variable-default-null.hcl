variable "n" {
  default  = null
#            ^^^^ error: its default can't be null
  nullable = false
}
