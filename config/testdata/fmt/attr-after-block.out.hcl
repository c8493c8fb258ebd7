block "x" {
  nested {
    a = 1
  }
  b  = 2
  cc = 3
}
