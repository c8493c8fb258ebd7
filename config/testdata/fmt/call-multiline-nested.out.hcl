a = join(",", concat([
  for x in var.l : x
  ], [
  "b",
  "c"
]))
