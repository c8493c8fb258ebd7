service "x" {
  port = "eighty"
#        ^^^^^^^^ error: "port" is a number, and this is text: a number is required.
  slot "a" { port = [] }
#                   ^^ error: "port" is a number, and this is a list
  slot "b" { port = 80.5 }
#                   ^^^^ error: value must be a whole number
}
