a = 1 + 2
b = 1 + 2 * 3
c = !var.x
d = !var.x
e = -var.x
f = a && b || c
g = a == b
h = a != b
i = a >= b
j = a <= b
k = a % b
l = (a + b) * c
m = -(1)
