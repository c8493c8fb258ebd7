a = {
  # first
  b   = 1 # one
  ccc = 2 // two

  # lonely

  d = 3
}
