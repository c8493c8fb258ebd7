block {
  a = 1
}