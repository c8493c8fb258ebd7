service "x" {
  dynamic "slot" {
    for_each = { a = 1 }
    labels   = [slot.key]
    content {
      prot = 1
#     ^^^^ error: Did you mean "port"?
      port = slot.vlaue
#                ^^^^^^ error: This object does not have an attribute named "vlaue"
    }
  }
}
