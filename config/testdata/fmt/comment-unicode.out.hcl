# 한국어 주석
a     = "값" # 값
bbbbb = "é" # accent
