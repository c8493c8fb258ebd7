a   = "b=c"
bbb = "d = e"
c   = a == b
