a  = true
b  = false
c  = null
dd = null # none
