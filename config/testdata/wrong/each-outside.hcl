release "x" {
  hosts = []
  root  = each.key
#         ^^^^^^^^ error: exist in a block with for_each only
}
release "y" {
  for_each = toset(["a"])
  hosts    = []
  root     = each.vlaue
#            ^^^^^^^^^^ error: There are each.key and each.value only
}
