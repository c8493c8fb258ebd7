service "x" {
  dynamic "slot" {
    for_each = var.slots
    labels   = [slot.key]
    iterator = s
    content {
      port = s.value
      env  = { A = "${s.value}" }
    }
  }
}
