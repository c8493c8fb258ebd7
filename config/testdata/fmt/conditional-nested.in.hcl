a=var.x?var.y?1:2:3
b=var.x?[1,2]:[]
c=var.x?{a=1}:{}
