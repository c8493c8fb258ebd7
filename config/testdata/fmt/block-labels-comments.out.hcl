resource "foo" "bar" /* three */ {
  a = 1
}
