host "a" {
  labels = "app"
#          ^^^^^ error: "labels" is a map (each value text), and this is text
}
