service "x" {
  tags = "a"
#        ^^^ error: list of string required
}
