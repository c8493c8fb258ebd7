a=("${var.x}")
b=(("${var.x}"))
