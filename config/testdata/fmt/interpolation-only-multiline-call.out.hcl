a = (foo(
  1,
  2
))
bbb = (var.x ?
1 : 2)
