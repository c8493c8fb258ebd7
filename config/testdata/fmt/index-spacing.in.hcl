a=var.x[0]
b=var.x[ 0 ]
c=var.x["a"]
d=var.x[ "a" ]  .b
e=var.x.*.y
f=var.x[*].y
g=var.x.0
h=foo(1)[0].bar
