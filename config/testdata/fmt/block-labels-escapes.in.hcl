resource "a\"b" "c\\d" "\u00e9" "tab\t" {
a=1
}
