a = {
  b = {
    c = {
      d   = 1
      eee = 2
    }
  }
  ff = 3
}
