resource foo "bar" baz {
a=1
}
