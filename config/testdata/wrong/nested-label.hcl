service "x" {
  slot { port = 1 }
# ^^^^ error: write slot "NAME" { … }
  slot "a;id" { port = 1 }
#      ^^^^^^ error: can't name a slot
  slot "a" "b" { port = 1 }
#          ^^^ error: Label not expected
}
