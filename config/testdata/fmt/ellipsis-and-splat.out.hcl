a = concat(var.x...)
b = concat([for x in y : x]...)
c = var.x[*]
