service "x" {
  tags = ["a", { b = 1 }]
#              ^^^^^^^^^ error: "tags" is a list (each element text)
}
