a = (
  1 + 2
)
b = (1) +
(2)
c = # why
1
d = 1 # why

