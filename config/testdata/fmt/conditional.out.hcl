a = var.x ? 1 : 2
b = var.x ? "a" : "b"
c = (var.x ? var.y : var.z)
