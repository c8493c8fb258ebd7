release "x" {
  hosts = []
  root  = timestamp()
#         ^^^^^^^^^ error: There is no function named "timestamp"
}
