# one
a=1 # two
bbb=2 // three
