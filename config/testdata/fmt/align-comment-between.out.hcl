a = 1
# comment
bbb = 2
/* block */
cccc = 3
