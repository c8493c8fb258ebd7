service "x" {
  health {}
  health {}
# ^^^^^^ error: There is one health block at most
  slot "blue" { port = 1 }
  slot "blue" { port = 2 }
# ^^^^^^^^^^^ error: There is slot "blue" already
}
