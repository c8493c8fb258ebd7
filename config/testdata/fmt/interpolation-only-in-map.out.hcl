a = { b = "${var.x}" }
c = {
  "${var.k}" = "${var.v}"
}
