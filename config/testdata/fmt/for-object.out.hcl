a = { for k, v in var.m : k => v }
b = { for k, v in var.m : k => v... }
c = { for k, v in var.m : k => upper(v) if v != "" }
