a = var.x ? "${var.y}" : "${var.z}"
b = var.x ? "a" : "b"
