a = [
  for x in var.l :
  x
  if x != ""
]
b = {
  for k, v in var.m :
  k => {
    x   = v
    yyy = k
  }
}
