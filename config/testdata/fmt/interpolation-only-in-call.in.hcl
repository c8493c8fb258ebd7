a=foo("${var.x}")
b=foo("${var.x}","${var.y}")
