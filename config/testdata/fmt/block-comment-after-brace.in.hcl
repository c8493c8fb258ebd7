block { # why
a=1 # a
bbb=2
} # end
