locals {
  a           = 1
  a_long_name = "x"
  m           = { x = 1, yyy = 2 }
  l = [1,
  2]
  z = "end"
}
