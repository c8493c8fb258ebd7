host "a;id" {}
#    ^^^^^^ error: can't name a host
host "$(id)" {}
#    ^^^^^^^ error: can't name a host
host "-oProxyCommand=id" {}
#    ^^^^^^^^^^^^^^^^^^^ error: can't name a host
host "../x" {}
#    ^^^^^^ error: can't name a host
host "a\nb" {}
#    ^^^^^^ error: can't name a host
