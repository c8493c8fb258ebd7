host "a" {
  state = "retierd"
#         ^^^^^^^^^ error: Did you mean "retired"?
}
