a=[for x in var.l:x]
b=[for x in var.l : upper( x ) if x!=""]
c=[for i,x in var.l: "${i}-${x}"]
