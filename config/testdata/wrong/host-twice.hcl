host "a" {}
host "a" {}
#^^^^^^^ error: There is host "a" at
