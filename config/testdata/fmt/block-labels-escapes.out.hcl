resource "a\"b" "c\\d" "é" "tab\t" {
  a = 1
}
