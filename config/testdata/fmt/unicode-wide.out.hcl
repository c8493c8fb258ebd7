a        = "한국어" # k
bbbbbbbb = "x"   # x
