a   = 1
bbb = 2
block {
  c    = 1
  dddd = 2
}
eeee = 3
f    = 4
