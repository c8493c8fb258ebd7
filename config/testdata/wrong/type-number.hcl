service "x" {
  port = "eighty"
#        ^^^^^^^^ error: "port" is a number, and this is text: a number is required.
  slot "a" { port = [] }
#                   ^^ error: "port" is a number, and this is a list
  slot "b" { port = 80.5 }
#                   ^^^^ error: "port" is a whole number, and this one is not
}
