service "x" {
  dynamic "slto" {
#         ^^^^^^ error: Did you mean "slot"?
    for_each = []
    content {}
  }
}
