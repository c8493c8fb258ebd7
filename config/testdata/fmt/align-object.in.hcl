x = {
a=1
bbb   =2
"c d"=3
(var.e)=4
}
