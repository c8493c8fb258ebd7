  host "a" {}
# error: doesn't say whose it is
