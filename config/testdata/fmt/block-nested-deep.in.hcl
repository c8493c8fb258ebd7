a {
b {
c {
d {
e=1
ff=2
}
}
}
}
