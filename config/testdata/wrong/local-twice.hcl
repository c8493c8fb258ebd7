locals {
  a = 1
}
locals {
  a = 2
# ^ error: local.a is declared at
}
