host "a" {
  private_address = "app-1.internal"
#                   ^^^^^^^^^^^^^^^^ error: private_address is an IP address
}
