release "x" {
  hosts = []
  root  = uppr("x")
#         ^^^^ error: Did you mean "upper"?
}
