a=[for x in var.l:[for y in x:y*2]]
b=flatten([for x in var.l:[for y in x:{a=y,bb=x}]])
