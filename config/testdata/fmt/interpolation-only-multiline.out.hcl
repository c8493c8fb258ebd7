a = var.x
b = ([
  1,
  2,
])
c = ({
  a   = 1
  bbb = 2
})
