a = "${var.x}${var.y}"
b = "${var.x} ${var.y}"
c = " ${var.x}"
d = "${var.x} "
