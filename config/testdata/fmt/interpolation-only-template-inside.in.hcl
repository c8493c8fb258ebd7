a="${"${var.x}"}"
b="${"a${var.x}b"}"
