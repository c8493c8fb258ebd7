release "x" {
  hosts = []
  root  = null
#         ^^^^ error: "root" is required, and null is none
}
