a=("x${var.y}")
b=["x${ var.y }",("${var.z}")]
