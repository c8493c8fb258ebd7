variable "slots" {
  default   = { blue = 1 }
  sensitive = true
}
service "x" {
  dynamic "slot" {
    for_each = var.slots
#              ^^^^^^^^^ error: The value is sensitive
    labels   = [slot.key]
    content {
      port = slot.value
    }
  }
}
