release "x" {
  root = 
#        ^ error: Invalid expression
}
