resource {
  a = 1
}
