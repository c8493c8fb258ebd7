a = var.x
b = var.x
c = upper(var.x)
d = 1 + 2
