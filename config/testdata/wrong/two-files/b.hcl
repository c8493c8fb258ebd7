locals {
  x = 2
# ^ error: a.hcl:2
}
