resource /* one */ "foo" /* two */ "bar" /* three */ {
a=1
}
