a = (
  1 + 2
)
d = 1 # why

