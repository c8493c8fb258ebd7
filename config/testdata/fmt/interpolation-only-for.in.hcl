a="${[for x in var.l:x]}"
b="${{for k,v in var.m:k=>v}}"
