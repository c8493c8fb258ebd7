host "a" {
  adress = "10.0.0.1"
# ^^^^^^ error: Did you mean "address"?
}
