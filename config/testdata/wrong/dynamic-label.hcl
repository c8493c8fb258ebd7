service "x" {
  dynamic "slot" {
    for_each = ["a;id"]
    labels   = [slot.value]
#               ^^^^^^^^^^ error: "a;id" can't name a slot
    content {
      port = 1
    }
  }
}
