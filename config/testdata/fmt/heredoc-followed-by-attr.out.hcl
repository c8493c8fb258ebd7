a   = <<A
x
A
bb  = <<B
y
B
ccc = 1
