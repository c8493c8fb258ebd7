service "x" {
  tags = "a"
#        ^^^ error: "tags" is a list (each element text), and this is text. A list is written in brackets, one of a single element too: [ … ].
}
