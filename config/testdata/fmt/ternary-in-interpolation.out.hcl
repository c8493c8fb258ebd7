a = var.x ? 1 : 2
b = "x${var.x ? 1 : 2}"
