service "x" {
  heath {
# ^^^^^ error: Did you mean "health"?
  }
  slot "blue" {
    port = 1
    htpp {}
#   ^^^^ error: A slot block has no block "htpp".
  }
}
