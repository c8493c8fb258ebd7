a="# not" # yes
bbb="// not" // yes
