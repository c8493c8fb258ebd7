a="x ${foo("y ${bar("z")}")}"
b="${foo("a")} ${foo("b")}"
