이름="값"
a="😀" # smile
bbbbbb="e\u0301" # combining
ccc="é" # combining really
