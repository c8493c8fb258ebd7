a = <<A
x # not a comment
A
# a comment
b = 1
