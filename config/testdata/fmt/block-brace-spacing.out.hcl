block "a" "b" {
  x = 1
}
block "a" "b" {
  x = 1
}
