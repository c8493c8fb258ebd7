locals {
  one   = local.two
#         ^^^^^^^^^ error: local.three refers to local.one at
  two   = upper(local.three)
  three = local.one
}
