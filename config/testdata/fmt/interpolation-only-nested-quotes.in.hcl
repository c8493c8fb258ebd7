a="${foo("x")}"
b="${var.m["k"]}"
c="${foo("${var.x}")}"
d="${"literal"}"
