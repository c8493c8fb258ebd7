a={
b=var.x?1:2
ccc=var.y?[1]:[2]
}
