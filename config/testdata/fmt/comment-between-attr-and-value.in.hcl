a = [ # why
1,
2
] # end
b = { # why
c=1
} # end
